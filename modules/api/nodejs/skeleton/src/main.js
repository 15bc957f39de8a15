import { makeServer } from "./server.js";
import { stopTelemetry } from "./telemetry.js";

const { server, state } = makeServer();
server.listen(Number(process.env.PORT ?? [[ spec.port ]]));

// The platform keeps sending requests for a moment after it says stop: finish them, then go.
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.once(signal, () => {
    state.ready = false;
    server.close(() => stopTelemetry().finally(() => process.exit(0)));
    server.closeIdleConnections();
  });
}
