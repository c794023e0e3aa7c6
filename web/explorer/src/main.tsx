import "./trusted";
import "./workers";
import "graphiql/graphiql.css";
import "@graphiql/react/style.css";
import "@graphiql/plugin-doc-explorer/style.css";
import "./style.css";
import { createRoot } from "react-dom/client";
import { Explorer } from "./explorer";

const root = document.getElementById("root");
if (root) createRoot(root).render(<Explorer />);
