// Where the server is, and who may ask it: what `tests/contract.rs` says in the environment.

import { randomBytes } from "node:crypto";
import { ConfidentialClientApplication } from "@azure/msal-node";
import { Client, MiddlewareFactory } from "@microsoft/microsoft-graph-client";

const { env } = process;
export const url = env.REKEY_URL;
export const host = new URL(url).host;
export const tenant = env.REKEY_TENANT;
export const application = { clientId: env.REKEY_CLIENT_ID, clientSecret: env.REKEY_CLIENT_SECRET };
export const partner = { clientId: env.REKEY_PARTNER_ID, clientSecret: env.REKEY_PARTNER_SECRET };
export const adele = "adele.vance@contoso.example";
export const password = "Correct-Horse-9-Battery";
export const scopes = ["https://graph.microsoft.com/.default"];

// What asks the token endpoint of a tenant.
export function confidential(auth, of = tenant) {
  return new ConfidentialClientApplication({
    auth: { authority: `${url}/${of}`, knownAuthorities: [host], ...auth },
  });
}

const customHosts = new Set([new URL(url).hostname]);

// A Graph client that acts for an application.
export function graph({ version = "v1.0", auth = application, of = tenant } = {}) {
  const client = confidential(auth, of);
  return Client.init({
    baseUrl: url,
    defaultVersion: version,
    customHosts,
    authProvider: async (done) => {
      try {
        done(null, (await client.acquireTokenByClientCredential({ scopes })).accessToken);
      } catch (error) {
        done(error, null);
      }
    },
  });
}

// A Graph client with its own middleware, and what that sends and gets: the last of it but one sees every try.
export function watched() {
  const client = confidential(application);
  const getAccessToken = async () => (await client.acquireTokenByClientCredential({ scopes })).accessToken;
  const tries = [];
  const wire = {
    setNext: (next) => (wire.next = next),
    execute: async (context) => {
      const sent = performance.now();
      await wire.next.execute(context);
      tries.push({ context, sent, response: context.response, answered: performance.now() });
    },
  };
  const middleware = MiddlewareFactory.getDefaultMiddlewareChain({ getAccessToken }).toSpliced(-1, 0, wire);
  return { client: Client.initWithMiddleware({ baseUrl: url, customHosts, middleware }), tries };
}

export function newUser() {
  const alias = `contract.${randomBytes(6).toString("hex")}`;
  return {
    accountEnabled: true,
    displayName: alias,
    mailNickname: alias,
    userPrincipalName: `${alias}@${tenant}`,
    passwordProfile: { password, forceChangePasswordNextSignIn: false },
  };
}
