import { useQuery } from "@apollo/client/react";
import { graphql } from "./generated";
import { Loading } from "./Loading";
import { TokenLife } from "./TokenLife";
import { day } from "./times";

const ME = graphql(`
  query Me {
    me {
      id
      name
      email
      username
      roles
      createdAt
    }
  }
`);

/** A protected page: the server tells it to whoever is signed in, and to nobody else. */
export function Account() {
  const { data, error, refetch, networkStatus } = useQuery(ME, {
    fetchPolicy: "cache-and-network",
  });
  if (!data) return <Loading error={error} again={refetch} />;
  const { me } = data;
  return (
    <section className="card" aria-label="Your account" data-network-status={networkStatus}>
      <dl className="facts">
        <dt>Name</dt>
        <dd>{me.name ?? <span className="none">not given</span>}</dd>
        <dt>E-mail address</dt>
        <dd>{me.email}</dd>
        <dt>Roles</dt>
        <dd>{me.roles.length > 0 ? me.roles.join(", ") : <span className="none">none</span>}</dd>
        <dt>Account since</dt>
        <dd>
          <time dateTime={me.createdAt}>{day(me.createdAt)}</time>
        </dd>
        <dt>Access token</dt>
        <dd>
          <TokenLife />
        </dd>
      </dl>
    </section>
  );
}
