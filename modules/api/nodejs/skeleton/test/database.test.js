[% if values.databases %]
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { connect } from "../src/database.js";

const message = (type, body) => {
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
};
const askForPassword = message("R", Buffer.from([0, 0, 0, 3]));
const welcome = Buffer.concat([message("R", Buffer.from([0, 0, 0, 0])), message("Z", Buffer.from("I"))]);

/** Speaks as much of PostgreSQL's protocol as a login needs, and remembers who came. */
async function doorkeeper() {
  const logins = [];
  const server = createServer((socket) => {
    let user;
    socket.on("error", () => {});
    socket.on("data", (data) => {
      if (user === undefined) {
        const words = data.toString("latin1", 8).split("\0");
        user = words[words.indexOf("user") + 1];
        socket.write(askForPassword);
      } else if (data[0] === "p".charCodeAt(0)) {
        logins.push([user, data.toString("utf8", 5, data.length - 1)]);
        socket.write(welcome);
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, logins, port: server.address().port };
}

test("every new connection has the credentials of the moment", async () => {
  const { server, logins, port } = await doorkeeper();
  const folder = mkdtempSync(join(tmpdir(), "secret-"));
  const keep = (user, password) =>
    writeFileSync(join(folder, "url"), `postgresql://${user}:${encodeURIComponent(password)}@127.0.0.1:${port}/orders\n`);
  keep("orders_a", "first@/:");
  const pool = connect(folder);

  const before = await pool.connect();
  keep("orders_b", "second");
  const after = await pool.connect();

  before.release();
  after.release();
  await pool.end();
  server.close();
  rmSync(folder, { recursive: true });
  assert.deepEqual(logins, [
    ["orders_a", "first@/:"],
    ["orders_b", "second"],
  ]);
});

test("credentials that are not there yet are an error of the query, not of the start", async () => {
  const pool = connect(join(tmpdir(), "not-there"));

  await assert.rejects(pool.query("SELECT 1"), /ENOENT/);

  await pool.end();
});
[% endif %]
