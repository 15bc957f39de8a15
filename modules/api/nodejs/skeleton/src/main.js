[% if values.databases %]
import { stopDatabases } from "./database.js";
[% endif %]
import { makeServer } from "./server.js";
import { stopTelemetry } from "./telemetry.js";

const { server, state } = makeServer();
server.listen(Number(process.env.PORT ?? [[ spec.port ]]));

// The platform keeps sending requests for a moment after it says stop: finish them, then go.
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.once(signal, () => {
    state.ready = false;
    const stops = [stopTelemetry[% if values.databases %], stopDatabases[% endif %]];
    server.close(() => Promise.allSettled(stops.map((stop) => stop())).then(() => process.exit(0)));
    server.closeIdleConnections();
  });
}
