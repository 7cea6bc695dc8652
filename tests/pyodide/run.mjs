// `python -m MODULE ARGUMENTS` in Pyodide:
//   node --experimental-wasm-stack-switching run.mjs PYODIDE SITE PROJECT MODULE [ARGUMENTS]
// PYODIDE is the folder of the npm package, SITE a folder of unpacked pure wheels; MODULE is run with PROJECT as
// its working folder. The exit code is the module's. (The flag makes `asyncio.run` work in older nodes.)
import path from "node:path";
import { pathToFileURL } from "node:url";

const [home, site, project, module, ...args] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(path.resolve(home, "pyodide.mjs")));
const python = await loadPyodide({ env: { HOME: "/home/pyodide", KUBELAB_STILL: "1" } });
python.mountNodeFS("/site", path.resolve(site));
python.mountNodeFS("/project", path.resolve(project));
python.globals.set("module", module);
python.globals.set("arguments", args);
process.exitCode = await python.runPythonAsync(`
import os, runpy, sys

# The mounted folders belong to the machine: nothing is written there.
sys.dont_write_bytecode = True
os.chdir("/project")
sys.path[:0] = ["/project", "/site"]
sys.argv = [module, *arguments]
code = 0
try:
    runpy.run_module(module, run_name="__main__", alter_sys=True)
except SystemExit as end:
    code = end.code if isinstance(end.code, int) else int(end.code is not None)
sys.stdout.flush()
code
`);
