import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The page and the API share one origin, as they should where you deploy: the browser sees
// /graphql beside the page, and a proxy takes it to the server. The cookie is first-party, there is
// no CORS. The server is told this origin by GQL_AUTH_PUBLIC_URL.
// Other services fetch the public keys there, too.
const target = process.env.AUTH_URL ?? "http://localhost:8000";
const proxy = { "/graphql": { target, ws: true }, "/.well-known": target };
const port = Number(process.env.PORT ?? 5173);

export default defineConfig({
  plugins: [react()],
  server: { port, strictPort: true, proxy },
  preview: { port, strictPort: true, proxy },
});
