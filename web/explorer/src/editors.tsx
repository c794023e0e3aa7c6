import { pick, useGraphiQL, useMonaco, type MonacoEditor } from "@graphiql/react";
import { useEffect } from "react";

const OPEN_WIDGETS = ["suggestWidgetVisible", "findWidgetVisible", "markersNavigationVisible"];

/**
 * Makes the editors places that the keyboard can enter and leave: the Tab key reaches each as a
 * whole, Enter goes in, Escape out again, and their names say so. Long lines wrap, as panes are
 * narrow.
 */
export function Editors() {
  const { queryEditor, variableEditor, headerEditor, responseEditor } = useGraphiQL(
    pick("queryEditor", "variableEditor", "headerEditor", "responseEditor"),
  );
  useDoor(queryEditor, "Operation");
  useDoor(variableEditor, "Variables");
  useDoor(headerEditor, "Headers");
  useDoor(responseEditor, "Response");
  return null;
}

function useDoor(editor: MonacoEditor | undefined, name: string) {
  const escape = useMonaco((state) => state.monaco?.KeyCode.Escape);
  useEffect(() => {
    if (!editor || escape === undefined) return undefined;
    const whole = editor.getContainerDomNode();
    whole.role = "group";
    whole.ariaLabel = `${name}. Press Enter to go in, Escape to leave.`;
    editor.updateOptions({ ariaLabel: `${name}. Press Escape to leave.`, wordWrap: "on" });
    const leaving = editor.addAction({
      id: "leave",
      label: "Leave the Editor",
      keybindings: [escape],
      precondition: OPEN_WIDGETS.map((widget) => `!${widget}`).join(" && "),
      run() {
        whole.focus();
      },
    });
    return () => {
      leaving.dispose();
    };
  }, [editor, escape, name]);
}
