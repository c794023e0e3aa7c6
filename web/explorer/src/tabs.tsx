import { CloseIcon, cn, UnStyledButton } from "@graphiql/react";
import { createContext, use, type ComponentProps, type KeyboardEvent, type ReactNode } from "react";

/*
 * The tabs of operations, in the place of GraphiQL's own: those nest buttons in tabs, which screen
 * readers cannot tell apart, and bring a library of animations with them to be dragged about. Here
 * a tab is one button: arrow keys go from tab to tab, Delete closes one.
 */

interface TabProps {
  isActive?: boolean;
  children: ReactNode;
}

interface TabsProps {
  "aria-label": string;
  className?: string;
  children: ReactNode;
}

const Active = createContext(false);

export function Tabs({ className, children, "aria-label": label }: TabsProps) {
  return (
    <ul
      role="tablist"
      aria-label={label}
      className={cn("graphiql-tabs", className)}
      onKeyDown={steer}
    >
      {children}
    </ul>
  );
}

function TabRoot({ isActive = false, children }: TabProps) {
  return (
    <Active value={isActive}>
      <li role="presentation" className={cn("graphiql-tab", isActive && "graphiql-tab-active")}>
        {children}
      </li>
    </Active>
  );
}

function TabButton({ className, ...props }: ComponentProps<"button">) {
  const isActive = use(Active);
  return (
    <UnStyledButton
      {...props}
      type="button"
      role="tab"
      aria-selected={isActive}
      aria-keyshortcuts="Delete"
      tabIndex={isActive ? 0 : -1}
      className={cn("graphiql-tab-button", className)}
    />
  );
}

/** For the mouse; the keyboard has Delete. */
function TabClose({ className, ...props }: ComponentProps<"button">) {
  return (
    <UnStyledButton
      {...props}
      type="button"
      aria-hidden
      tabIndex={-1}
      title="Close"
      className={cn("graphiql-tab-close", className)}
    >
      <CloseIcon />
    </UnStyledButton>
  );
}

export const Tab = Object.assign(TabRoot, { Button: TabButton, Close: TabClose });

function steer(event: KeyboardEvent<HTMLUListElement>) {
  const tabs = [...event.currentTarget.querySelectorAll<HTMLElement>("[role=tab]")];
  const here = tabs.findIndex((tab) => tab === event.target);
  const next = {
    ArrowLeft: tabs.at(here - 1),
    ArrowRight: tabs[(here + 1) % tabs.length],
    Home: tabs[0],
    End: tabs.at(-1),
  }[event.key];
  if (here < 0) return;
  if (next) {
    next.focus();
    next.click();
  } else if (event.key === "Delete" && event.target instanceof Element) {
    (event.target.nextElementSibling as HTMLElement | null)?.click();
    (tabs[here + 1] ?? tabs[here - 1])?.focus();
  } else {
    return;
  }
  event.preventDefault();
}
