import { ConfidentialClientApplication } from "@azure/msal-node";
import { Client } from "@microsoft/microsoft-graph-client";

const { CLIENT_ID, CLIENT_SECRET, REKEY = "https://127.0.0.1:8080" } = process.env;
const { host, hostname } = new URL(REKEY);
const msal = new ConfidentialClientApplication({
  auth: {
    clientId: CLIENT_ID,
    clientSecret: CLIENT_SECRET,
    authority: `${REKEY}/contoso.example`,
    knownAuthorities: [host],
  },
});
const graph = Client.init({
  baseUrl: REKEY,
  customHosts: new Set([hostname]),
  authProvider: async (done) => {
    const { accessToken } = await msal.acquireTokenByClientCredential({ scopes: [`${REKEY}/.default`] });
    done(null, accessToken);
  },
});

const phones = await graph.api("/users/diego.siciliani@contoso.example/authentication/phoneMethods").get();
for (const { phoneType, phoneNumber } of phones.value) console.log(phoneType, phoneNumber);
