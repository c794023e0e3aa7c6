// @graphql-codegen with its client preset, as a project's own codegen.yml has it.
import { generate, loadContext } from '@graphql-codegen/cli';
import { preset } from '@graphql-codegen/client-preset';
import { given, tell } from './talk.mjs';

const { folder } = await given();
const config = (await loadContext(`${folder}/codegen.yml`)).getConfig();
// By their names they would be looked for in the project, which need not have them installed.
const generates = Object.fromEntries(
  Object.entries(config.generates).map(([place, how]) => [
    place,
    how.preset === 'client' ? { ...how, preset } : how,
  ]),
);
const files = await generate(
  { ...config, generates, pluginLoader: (name) => import(name), cwd: folder, silent: true },
  false,
);
tell(Object.fromEntries(files.map(({ filename, content }) => [filename, content])));
