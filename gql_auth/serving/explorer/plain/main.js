// Put the page together, restore the session if the browser has one, read the schema.

setUpEditors();
setUpRunning();
setUpAccount();
setUpDocs();
refresh();
readSchema();
