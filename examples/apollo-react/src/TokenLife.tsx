import { useAuth } from "@gql-auth/client/react";
import { useEffect, useState } from "react";
import { span } from "./times";

/** How long the access token is good for; before that is over, there is another one. */
export function TokenLife() {
  const { auth } = useAuth();
  const [left, setLeft] = useState(() => auth.peek()?.expiresIn);
  useEffect(() => {
    const look = () => {
      setLeft(auth.peek()?.expiresIn);
    };
    const timer = setInterval(look, 500);
    const end = auth.subscribe(look);
    return () => {
      clearInterval(timer);
      end();
    };
  }, [auth]);
  return (
    <span className="token" role="timer">
      {left === undefined ? "being renewed…" : `expires in ${span(left)}`}
    </span>
  );
}
