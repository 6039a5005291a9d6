// A passkey from a real browser: Chromium with a virtual authenticator registers it and signs in with it, on a page of
// the service's own. Everything goes through that page's fetch, as a sign-in page would do it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startBrowser } from "./browser.mjs";
import { startDemo } from "./demo.mjs";

const user = "new.hire@contoso.example";
const password = "Correct-Horse-9-Battery";
let demo;
let context;
let page;
let token;

before(async () => {
  demo = await startDemo();
  context = await startBrowser(demo);
  page = await context.newPage();
  // An address is no relying party; the same server by its name is.
  const docs = new URL(demo.docs);
  docs.hostname = "localhost";
  await page.goto(docs.href);
  const browser = await context.newCDPSession(page);
  await browser.send("WebAuthn.enable");
  await browser.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  const form = new URLSearchParams({
    grant_type: "client_credentials",
    client_id: demo.clientId,
    client_secret: demo.clientSecret,
    scope: "rekey/.default",
  });
  const answer = await page.evaluate(async (form) => {
    const body = new URLSearchParams(form);
    return (await fetch("/contoso.example/oauth2/v2.0/token", { method: "POST", body })).json();
  }, form.toString());
  token = answer.access_token;
  assert.ok(token, JSON.stringify(answer));
});

after(async () => {
  await context?.close();
  await demo?.stop();
});

// Calls the API from the page.
async function call(method, path, body, bearer = token) {
  const answer = await page.evaluate(
    async ([method, path, body, bearer]) => {
      const headers = { authorization: `Bearer ${bearer}` };
      if (body) headers["content-type"] = "application/json";
      const response = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
      return { status: response.status, text: await response.text() };
    },
    [method, path, body, bearer],
  );
  return { ...answer, json: answer.text ? JSON.parse(answer.text) : undefined };
}

async function expect(status, answer) {
  const { status: found, text, json } = await answer;
  assert.equal(found, status, text);
  return json;
}

const begin = (firstFactor) =>
  expect(201, call("POST", "/v1.0/signInSessions", { userPrincipalName: user, firstFactor }));

// What navigator.credentials makes of the service's options, as it is sent back.
const ask = (operation, options) =>
  page.evaluate(
    async ([operation, options]) => {
      const parse = {
        create: (it) => PublicKeyCredential.parseCreationOptionsFromJSON(it),
        get: (it) => PublicKeyCredential.parseRequestOptionsFromJSON(it),
      };
      const credential = await navigator.credentials[operation]({ publicKey: parse[operation](options) });
      return credential.toJSON();
    },
    [operation, options],
  );

async function signIn(session) {
  const path = `/v1.0/signInSessions/${session.id}`;
  const { prompt, publicKey } = await expect(200, call("POST", `${path}/challenge`, {}));
  assert.equal(prompt, "publicKey");
  const publicKeyCredential = await ask("get", publicKey);
  const done = await expect(200, call("POST", `${path}/verify`, { publicKeyCredential }));
  // The browser's answer is good once.
  const { status } = await call("POST", `${path}/verify`, { publicKeyCredential });
  assert.ok(status >= 400 && status < 500, `${status}`);
  return { publicKey, done };
}

test("Chromium registers a passkey and signs in with it", async () => {
  const mine = "/v1.0/me/authentication/fido2Methods";
  const first = await begin({ type: "password", password });
  assert.equal(first.status, "registrationRequired");
  const options = await expect(200, call("GET", `${mine}/creationOptions()`, undefined, first.registrationToken));
  const publicKeyCredential = await ask("create", options.publicKey);
  const registered = await expect(
    201,
    call("POST", mine, { displayName: "Chromium", publicKeyCredential }, first.registrationToken),
  );
  assert.equal(registered.displayName, "Chromium");
  assert.match(registered.aaGuid, /^[0-9a-f-]{36}$/);
  assert.equal(registered.attestationLevel, "notAttested");

  // Alone it proves both factors; nobody was told which passkey to use.
  const { publicKey, done } = await signIn(await begin({ type: "passkey" }));
  assert.deepEqual(publicKey.allowCredentials, []);
  assert.equal(done.status, "completed");
  const claims = JSON.parse(Buffer.from(done.outcomeToken.split(".")[1], "base64url").toString());
  assert.ok(claims.amr.includes("mfa"), JSON.stringify(claims));

  // And after the password.
  const second = await begin({ type: "password", password });
  assert.equal(second.status, "mfaRequired");
  const after = await signIn(second);
  assert.equal(after.publicKey.allowCredentials[0].id, publicKeyCredential.id);
  assert.equal(after.done.status, "completed");

  // The authenticator will not make a second one for the same user.
  const again = await expect(200, call("GET", `${mine}/creationOptions`, undefined, after.done.outcomeToken));
  await assert.rejects(ask("create", again.publicKey), /InvalidStateError|excluded|registered/);

  // A reset keeps it, and it lets nobody in until something is registered again.
  await expect(200, call("POST", `/v1.0/users/${user}/authentication/resetMfa`, {}));
  const { done: opened } = await signIn(await begin({ type: "passkey" }));
  assert.equal(opened.status, "registrationRequired");
  assert.equal(opened.outcomeToken, undefined);
});
