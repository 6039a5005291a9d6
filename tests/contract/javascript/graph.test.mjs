import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BatchRequestContent,
  BatchResponseContent,
  GraphError,
  PageIterator,
} from "@microsoft/microsoft-graph-client";
import { adele, graph, newUser, partner, url, watched } from "./server.mjs";

const client = graph();
const mobile = "3179e48a-750b-4051-897c-87b9720928f7";

async function user() {
  return client.api("/users").post(newUser());
}

test("a user lives and dies", async () => {
  const made = await user();
  assert.ok(made.id);
  assert.equal((await client.api(`/users/${made.userPrincipalName}`).get()).id, made.id);
  assert.equal((await client.api(`/users('${made.userPrincipalName}')`).get()).id, made.id);
  await client.api(`/users/${made.id}`).patch({ jobTitle: "Auditor" });
  const read = await client.api(`/users/${made.id}`).select("id,jobTitle").get();
  assert.equal(read.jobTitle, "Auditor");
  assert.equal(read.displayName, undefined);
  await client.api(`/users/${made.id}`).header("If-Match", "*").delete();
  await assert.rejects(client.api(`/users/${made.id}`).get(), { statusCode: 404, code: "Request_ResourceNotFound" });
  const deleted = await client.api("/directory/deletedItems/microsoft.graph.user").get();
  assert.ok(deleted.value.some((one) => one.id === made.id));
  await client.api(`/directory/deletedItems/${made.id}/restore`).post({});
  assert.equal((await client.api(`/users/${made.id}`).get()).id, made.id);
});

test("pages by the page iterator", async () => {
  const first = await client.api("/users").top(3).select(["id", "displayName"]).get();
  assert.equal(first.value.length, 3);
  assert.ok(first["@odata.nextLink"].startsWith(`${url}/v1.0/users?`));
  const seen = new Set();
  await new PageIterator(client, first, (one) => seen.add(one.id) && seen.size < 10).iterate();
  assert.equal(seen.size, 10);
});

test("filters, orders, searches and counts", async () => {
  const found = await client.api("/users").filter("startswith(displayName,'Adele')").get();
  assert.deepEqual(found.value.map((one) => one.userPrincipalName), [adele]);
  const eventual = (path) => client.api(path).header("ConsistencyLevel", "eventual");
  const searched = await eventual("/users").search('"displayName:vance"').count(true).get();
  assert.equal(searched["@odata.count"], 1);
  const ordered = await client.api("/users").orderby("displayName").top(5).get();
  const names = ordered.value.map((one) => one.displayName);
  assert.deepEqual(names, names.toSorted((a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1)));
  assert.ok((await eventual("/users/$count").get()) > 10);
});

test("changes since", async () => {
  let page = await client.api("/users/delta").select("id,displayName").get();
  while (page["@odata.nextLink"]) page = await client.api(page["@odata.nextLink"]).get();
  const made = await user();
  const changes = await client.api(page["@odata.deltaLink"]).get();
  assert.ok(changes.value.some((one) => one.id === made.id));
});

test("methods come with their types", async () => {
  const found = await client.api(`/users/${adele}/authentication/methods`).get();
  const types = new Set(found.value.map((method) => method["@odata.type"]));
  for (const kind of ["phone", "email", "password", "fido2", "softwareOath", "microsoftAuthenticator"]) {
    assert.ok(types.has(`#microsoft.graph.${kind}AuthenticationMethod`), kind);
  }
});

test("a phone and a pass", async () => {
  const { id } = await user();
  const phones = `/users/${id}/authentication/phoneMethods`;
  const made = await client.api(phones).post({
    "@odata.type": "#microsoft.graph.phoneAuthenticationMethod",
    phoneNumber: "+1 4255550130",
    phoneType: "mobile",
  });
  assert.equal(made.id, mobile);
  await client.api(`${phones}/${mobile}`).patch({ phoneNumber: "+1 4255550131" });
  assert.equal((await client.api(`${phones}/${mobile}`).get()).phoneNumber, "+1 4255550131");
  // Actions come with an empty object from this client.
  await client.api(`${phones}/${mobile}/disableSmsSignIn`).post({});
  assert.equal(await client.api(`${phones}/${mobile}`).delete(), undefined);
  const pass = await client.api(`/users/${id}/authentication/temporaryAccessPassMethods`).post({ lifetimeInMinutes: 60 });
  assert.ok(pass.temporaryAccessPass);
  assert.equal((await client.api(`/users/${id}/revokeSignInSessions`).post({})).value, true);
});

test("the beta's preferences, requirements and hardware tokens", async () => {
  const beta = graph({ version: "beta" });
  const { id } = await user();
  await beta.api(`/users/${id}/authentication/requirements`).patch({ perUserMfaState: "enabled" });
  assert.equal((await beta.api(`/users/${id}/authentication/requirements`).get()).perUserMfaState, "enabled");
  const preferences = await beta.api(`/users/${id}/authentication/signInPreferences`).get();
  assert.equal(typeof preferences.isSystemPreferredAuthenticationMethodEnabled, "boolean");
  const devices = await beta
    .api("/directory/authenticationMethodDevices/hardwareOathDevices")
    .filter("status eq 'available'")
    .get();
  assert.ok(devices.value.length > 0);
  const options = await beta
    .api(`/users/${id}/authentication/fido2Methods/creationOptions(challengeTimeoutInMinutes=10)`)
    .get();
  assert.ok(options.publicKey.challenge);
});

test("errors are Graph errors", async () => {
  await assert.rejects(client.api("/users/nobody@contoso.example").get(), (error) => {
    assert.ok(error instanceof GraphError);
    assert.equal(error.statusCode, 404);
    assert.equal(error.code, "Request_ResourceNotFound");
    assert.ok(error.requestId);
    assert.ok(error.date instanceof Date && !Number.isNaN(error.date.valueOf()));
    return true;
  });
  await assert.rejects(client.api("/users").filter("displayName equals 'x'").get(), { statusCode: 400 });
});

test("a batch whose requests depend on each other", async () => {
  const { id } = await user();
  const address = `/users/${id}/authentication/phoneMethods`;
  const headers = { "Content-Type": "application/json" };
  // This client wants absolute addresses for Request objects and strips them again.
  const at = (path, options) => new Request(`${url}${path}`, options);
  const content = new BatchRequestContent([
    {
      id: "add",
      request: at(address, {
        method: "POST",
        headers,
        body: JSON.stringify({ phoneNumber: "+1 4255550132", phoneType: "mobile" }),
      }),
    },
    { id: "list", dependsOn: ["add"], request: at(address, { method: "GET" }) },
    { id: "remove", dependsOn: ["list"], request: at(`${address}/${mobile}`, { method: "DELETE" }) },
  ]);
  const answers = new BatchResponseContent(await client.api("/$batch").post(await content.getContent()));
  assert.equal(answers.getResponseById("add").status, 201);
  const listed = answers.getResponseById("list");
  assert.equal(listed.status, 200);
  assert.equal((await listed.json()).value[0].phoneNumber, "+1 4255550132");
  assert.equal(answers.getResponseById("remove").status, 204);
});

test("a batch whose first request fails", async () => {
  const at = (path, options) => new Request(`${url}${path}`, options);
  const content = new BatchRequestContent([
    { id: "1", request: at("/users/nobody@contoso.example", { method: "GET" }) },
    { id: "2", dependsOn: ["1"], request: at(`/users/${adele}`, { method: "GET" }) },
  ]);
  const answers = new BatchResponseContent(await client.api("/$batch").post(await content.getContent()));
  assert.equal(answers.getResponseById("1").status, 404);
  assert.equal(answers.getResponseById("2").status, 424);
});

test("policies and reports", async () => {
  const policy = await client.api("/policies/authenticationMethodsPolicy").get();
  assert.ok(policy.authenticationMethodConfigurations.some((one) => one.id === "Fido2"));
  const details = await client.api("/reports/authenticationMethods/userRegistrationDetails").get();
  assert.ok(details.value.length > 0);
  const summary = await client
    .api("/reports/authenticationMethods/usersRegisteredByMethod(includedUserTypes='all',includedUserRoles='all')")
    .get();
  assert.ok(summary.totalUserCount > 0);
  const audits = await client.api("/auditLogs/directoryAudits").top(1).get();
  assert.equal(audits.value.length, 1);
});

test("too many requests are tried again by the client, no sooner than it was told", async () => {
  const { client, tries } = watched();
  const was = (status) => tries.filter(({ response }) => response.status === status);
  // This server answers forty requests for logs in ten seconds. Wave by wave, until one meets that limit: how fast
  // requests come is the machine's affair.
  let asked = 0;
  while (was(429).length === 0 && asked < 800) {
    const wave = await Promise.all(Array.from({ length: 8 }, () => client.api("/auditLogs/signIns").top(1).get()));
    assert.ok(wave.every((page) => Array.isArray(page.value)));
    asked += wave.length;
  }
  assert.ok(was(429).length > 0);
  assert.equal(was(200).length, asked);
  for (const refused of was(429)) {
    const seconds = Number(refused.response.headers.get("Retry-After"));
    assert.ok(seconds > 0);
    const again = tries.find(({ context, sent }) => context === refused.context && sent > refused.answered);
    // A timer may be some milliseconds early.
    assert.ok(again && again.sent - refused.answered > seconds * 1000 - 50);
  }
});

test("a partner acts in a customer's tenant", async () => {
  const customer = graph({ auth: partner, of: "northwind.example" });
  const found = await customer.api("/users/janet.leverling@northwind.example/authentication/methods").get();
  assert.equal(found.value.length, 3);
});
