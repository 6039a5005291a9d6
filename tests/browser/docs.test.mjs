// The documentation page as a person uses it: authorize, try the reset out, read the answer.
//
//   npm ci && npm test         with REKEY_BIN, CHROMIUM and SCREENSHOTS to say otherwise

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { startBrowser } from "./browser.mjs";
import { startDemo } from "./demo.mjs";

const run = promisify(execFile);
let demo;
let context;

before(async () => {
  demo = await startDemo();
  context = await startBrowser(demo);
});

after(async () => {
  await context?.close();
  await demo?.stop();
});

async function screenshot(page, name) {
  const folder = process.env.SCREENSHOTS ?? join(demo.folder, "screenshots");
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}

// Everything that must not happen on a page, collected while it is used.
async function watch(page) {
  const origin = new URL(demo.docs).origin;
  const wrong = [];
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (!["data:", "blob:"].includes(url.protocol) && url.origin !== origin) wrong.push(`asked ${url}`);
  });
  page.on("console", (message) => {
    if (message.type() === "error") wrong.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on("pageerror", (error) => wrong.push(`exception: ${error}`));
  page.on("requestfailed", (request) => wrong.push(`failed: ${request.url()} ${request.failure()?.errorText}`));
  await page.exposeFunction("reportViolation", (text) => wrong.push(`content security policy: ${text}`));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) =>
      window.reportViolation(`${event.violatedDirective} ${event.blockedURI}`),
    );
  });
  return wrong;
}

async function authorize(page) {
  await page.locator(".scheme-container button.authorize").click();
  const dialog = page.locator(".dialog-ux .modal-ux");
  const flow = dialog.locator(".auth-container").filter({ hasText: "clientCredentials" }).first();
  await flow.locator("#client_id_clientCredentials").fill(demo.clientId);
  await flow.locator("#client_secret_clientCredentials").fill(demo.clientSecret);
  // No scope is ticked: nobody should have to know what that is.
  await screenshot(page, "1-authorize");
  await flow.locator("button.authorize").click();
  await flow.locator("button", { hasText: "Logout" }).waitFor();
  await flow.locator("button.btn-done").click();
  await dialog.waitFor({ state: "detached" });
}

// Presses Execute and waits for the answer on the wire and on the page.
async function execute(page, operation) {
  const answered = page.waitForResponse((response) => response.url().endsWith("/resetMfa"));
  await operation.locator("button.execute").click();
  const response = await answered;
  const shown = operation.locator(".live-responses-table .response .response-col_status").first();
  await operation.locator(".live-responses-table .response").first().waitFor();
  await page.waitForFunction(
    ([element, status]) => element.textContent.includes(status),
    [await shown.elementHandle(), String(response.status())],
  );
  return response;
}

test("the reset is tried out on the documentation page", async () => {
  const page = await context.newPage();
  const wrong = await watch(page);
  const opened = await page.goto(demo.docs);
  assert.equal(opened.status(), 200);
  assert.match(opened.headers()["content-security-policy"] ?? "", /default-src 'self'/);
  await authorize(page);

  const operation = page.locator(".opblock", { has: page.locator('[data-path$="/resetMfa"]') }).first();
  await operation.locator(".opblock-summary").click();
  assert.match(await operation.getAttribute("id"), /resetMfa$/);
  await operation.locator("button.try-out__btn").click();

  const reset = await execute(page, operation);
  assert.equal(reset.status(), 200, await reset.text());
  const report = await reset.json();
  for (const key of ["userId", "deleted", "deactivated", "kept", "registrationRequired", "auditEventId"]) {
    assert.ok(key in report, `${key} in ${JSON.stringify(report)}`);
  }
  assert.equal(report.registrationRequired, true);
  const shown = await operation.locator(".live-responses-table .highlight-code").first().innerText();
  assert.ok(shown.includes(report.auditEventId), "the page shows the report");
  await screenshot(page, "2-report");

  await operation.locator('tr[data-param-name="Prefer"] input').fill("return=minimal");
  const minimal = await execute(page, operation);
  assert.equal(minimal.status(), 204);
  await screenshot(page, "3-minimal");

  assert.deepEqual(wrong, []);
  await page.close();
});

test("the printed curl line resets the user, and again", async () => {
  // The line is pasted as it is; curl's own settings make it tell each status on standard error.
  await writeFile(join(demo.folder, ".curlrc"), 'write-out = "%{stderr}%{http_code}\\n"\n');
  const paste = async () => {
    const environment = { ...process.env, CURL_HOME: demo.folder };
    const { stdout, stderr } = await run("bash", ["-c", demo.curl], { cwd: demo.folder, env: environment });
    return { status: stderr.trimEnd().split("\n").at(-1), report: JSON.parse(stdout) };
  };
  const first = await paste();
  assert.equal(first.status, "200");
  assert.ok(Array.isArray(first.report.deleted));
  const second = await paste();
  assert.equal(second.status, "200");
  assert.deepEqual(second.report.deleted, []);
});
