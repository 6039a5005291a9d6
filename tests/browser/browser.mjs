// Debian's Chromium with a profile of its own.

import { join } from "node:path";
import { chromium } from "playwright-core";

export async function startBrowser(demo) {
  // Browsers like to call home; only our own page's requests shall be seen.
  const context = await chromium.launchPersistentContext(join(demo.folder, "profile"), {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    viewport: { width: 1280, height: 1000 },
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  context.setDefaultTimeout(30_000);
  return context;
}
