import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import { makeServer } from "../src/server.js";

async function withServer(run) {
  const { server, state } = makeServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    await run(`http://127.0.0.1:${server.address().port}`, state);
  } finally {
    server.close();
  }
}

test("it says that it lives", () =>
  withServer(async (url) => {
    assert.equal((await fetch(`${url}[[ spec.parameters.health_path ]]`)).status, 200);
  }));

test("it is not ready while it stops", () =>
  withServer(async (url, state) => {
    state.ready = false;
    assert.equal((await fetch(`${url}[[ spec.parameters.ready_path ]]`)).status, 503);
  }));

test("what it does not know is not found", () =>
  withServer(async (url) => {
    assert.equal((await fetch(`${url}/nothing`)).status, 404);
  }));
