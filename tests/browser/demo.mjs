// Starts `rekey serve --demo` on a port of the system's choice and reads what it prints for people.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const binary = resolve(process.env.REKEY_BIN ?? join(here, "../../target/debug/rekey"));
const patience = 60_000;

export async function startDemo() {
  const folder = await mkdtemp(join(tmpdir(), "rekey-browser-"));
  const server = spawn(
    binary,
    ["serve", "--demo", "--listen", "127.0.0.1:0", "--database", `sqlite:${join(folder, "rekey.db")}`],
    { cwd: folder, stdio: ["ignore", "pipe", "pipe"] },
  );
  let output = "";
  const stop = async () => {
    if (server.exitCode === null && server.signalCode === null) {
      const gone = new Promise((done) => server.once("exit", done));
      server.kill("SIGKILL");
      await gone;
    }
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const told = await new Promise((done, fail) => {
      const timer = setTimeout(() => fail(new Error(`the demo did not introduce itself:\n${output}`)), patience);
      const read = (chunk) => {
        output += chunk;
        const told = introduction(output);
        if (told) {
          clearTimeout(timer);
          done(told);
        }
      };
      server.stdout.on("data", read);
      server.stderr.on("data", read);
      server.once("error", fail);
      server.once("exit", (code, signal) => fail(new Error(`the demo ended (${code ?? signal}):\n${output}`)));
    });
    return { ...told, folder, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

// All of it, or undefined while some is missing. Only whole lines count.
function introduction(output) {
  const text = output.slice(0, output.lastIndexOf("\n") + 1);
  const find = (pattern) => text.match(pattern)?.[1];
  const told = {
    docs: find(/^\s*Docs:\s+(\S+)\s*$/m),
    clientId: find(/^\s*Client id:\s+(\S+)\s*$/m),
    clientSecret: find(/^\s*Client secret:\s+(\S+)\s*$/m),
    curl: find(/^\s*(curl .*resetMfa.*)$/m),
  };
  return Object.values(told).every(Boolean) ? told : undefined;
}
