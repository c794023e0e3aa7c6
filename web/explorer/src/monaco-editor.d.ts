// Monaco ships types for the whole alone, not for the modules that it is made of.
declare module "monaco-editor/esm/vs/*";
declare module "monaco-editor/esm/vs/editor/editor.worker.js?worker" {
  const Start: new () => Worker;
  export default Start;
}
declare module "monaco-editor/esm/vs/language/json/json.worker.js?worker" {
  const Start: new () => Worker;
  export default Start;
}
