[% if values.databases %]
// Connections to PostgreSQL, always with the credentials of the moment.
import { readFileSync } from "node:fs";
import { join } from "node:path";

import pg from "pg";

/** One file holds all of it, so that user and password always belong together. */
function credentials(folder) {
  try {
    return { url: readFileSync(join(folder, "url"), "utf8").trim() };
  } catch (error) {
    return { error };
  }
}

/**
 * A pool for the database whose credentials the platform keeps in `folder`.
 *
 * When they rotate, both user and password change, in place; the old ones work until the next rotation. So every new
 * connection reads them again, and none is kept long enough to outlive them.
 */
export function connect(folder, options = {}) {
  class Client extends pg.Client {
    #error;

    constructor(config) {
      const { url, error } = credentials(folder);
      super({ ...config, connectionString: url });
      this.#error = error;
    }

    // The pool expects that only connecting fails.
    connect(callback) {
      if (!this.#error) return super.connect(callback);
      process.nextTick(callback, this.#error);
    }
  }
  // Every replica has a pool: together they must fit into connection_limit.
  const pool = new pg.Pool({ max: 5, maxLifetimeSeconds: 300, ...options, Client });
  // A connection that breaks while nobody uses it is replaced by the next request, and no reason to stop.
  pool.on("error", (error) => {
    process.stderr.write(`${JSON.stringify({ level: "warn", message: error.message })}\n`);
  });
  return pool;
}

// Nothing is connected before the first query: await databases["[[ values.databases[0].alias ]]"].query("SELECT 1").
export const databases = {
[% for used in values.databases %]
  "[[ used.alias ]]": connect(process.env.[[ used.variable ]]_SECRET_DIR),
[% endfor %]
};

export const stopDatabases = () => Promise.all(Object.values(databases).map((pool) => pool.end()));
[% endif %]
