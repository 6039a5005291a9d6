import assert from "node:assert/strict";
import { createHash, createSign, generateKeyPairSync, randomUUID } from "node:crypto";
import { test } from "node:test";
import { application, confidential, graph, scopes, tenant, url } from "./server.mjs";

const claims = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));

test("MSAL gets a token by secret, and the second from its cache", async () => {
  const client = confidential(application);
  const first = await client.acquireTokenByClientCredential({ scopes });
  assert.equal(first.tokenType, "Bearer");
  assert.ok(first.expiresOn > new Date());
  assert.equal(claims(first.accessToken).appid, application.clientId);
  const second = await client.acquireTokenByClientCredential({ scopes });
  assert.equal(second.fromCache, true);
  assert.equal(second.accessToken, first.accessToken);
});

test("MSAL reads what is wrong with a secret", async () => {
  const client = confidential({ ...application, clientSecret: "wrong" });
  await assert.rejects(client.acquireTokenByClientCredential({ scopes }), (error) => {
    assert.equal(error.errorCode, "invalid_client");
    assert.match(error.errorMessage, /AADSTS7000215/);
    return true;
  });
});

test("MSAL does not find an unknown tenant", async () => {
  await assert.rejects(confidential(application, "nobody.example").acquireTokenByClientCredential({ scopes }));
});

// An assertion as RFC 7523 has it; MSAL asks for one whenever it needs a token.
function assertion(clientId, privateKey, thumbprint) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const content = {
    aud: `${url}/${tenant}/oauth2/v2.0/token`,
    iss: clientId,
    sub: clientId,
    jti: randomUUID(),
    nbf: now,
    exp: now + 300,
  };
  const signed = `${part({ alg: "RS256", typ: "JWT", x5t: thumbprint })}.${part(content)}`;
  return `${signed}.${createSign("RSA-SHA256").update(signed).sign(privateKey, "base64url")}`;
}

test("MSAL gets a token by an assertion that is signed with a key of the application", async () => {
  const { certificate, privateKey, der } = await selfSigned();
  const client = graph();
  const made = await client.api("/applications").post({
    displayName: "Contract",
    keyCredentials: [{ type: "AsymmetricX509Cert", usage: "Verify", key: der.toString("base64"), displayName: "one" }],
  });
  const sha1 = createHash("sha1").update(der).digest();
  const byCallback = confidential({
    clientId: made.appId,
    clientAssertion: async () => assertion(made.appId, privateKey, sha1.toString("base64url")),
  });
  const token = await byCallback.acquireTokenByClientCredential({ scopes });
  assert.equal(claims(token.accessToken).appid, made.appId);

  const byCertificate = confidential({
    clientId: made.appId,
    clientCertificate: {
      thumbprintSha256: createHash("sha256").update(der).digest("hex"),
      privateKey: privateKey.export({ type: "pkcs8", format: "pem" }),
      x5c: certificate,
    },
  });
  assert.equal(
    claims((await byCertificate.acquireTokenByClientCredential({ scopes })).accessToken).appid,
    made.appId,
  );
  await client.api(`/applications/${made.id}`).delete();
});

// Node cannot make certificates, so this one is put together in DER (X.690), just as much as it takes.
async function selfSigned() {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const der = (tag, ...parts) => {
    const content = Buffer.concat(parts);
    const length =
      content.length < 128
        ? Buffer.from([content.length])
        : Buffer.from([0x82, content.length >> 8, content.length & 255]);
    return Buffer.concat([Buffer.from([tag]), length, content]);
  };
  const sequence = (...parts) => der(0x30, ...parts);
  const oid = (hex) => der(0x06, Buffer.from(hex, "hex"));
  const algorithm = sequence(oid("2a864886f70d01010b"), der(0x05)); // sha256WithRSAEncryption
  const name = sequence(der(0x31, sequence(oid("550403"), der(0x0c, Buffer.from("contract")))));
  const time = (days) => {
    const text = new Date(Date.now() + days * 86_400_000).toISOString().replace(/[-:T]|\.\d+/g, "");
    return der(0x17, Buffer.from(text.slice(2)));
  };
  const body = sequence(
    der(0x02, Buffer.from([1, ...createHash("sha1").update(randomUUID()).digest().subarray(0, 8)])),
    algorithm,
    name,
    sequence(time(-1), time(1)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
  );
  const signature = createSign("RSA-SHA256").update(body).sign(privateKey);
  const whole = sequence(body, algorithm, der(0x03, Buffer.from([0]), signature));
  const pem = `-----BEGIN CERTIFICATE-----\n${whole.toString("base64").match(/.{1,64}/g).join("\n")}\n-----END CERTIFICATE-----\n`;
  return { certificate: pem, privateKey, der: whole };
}
