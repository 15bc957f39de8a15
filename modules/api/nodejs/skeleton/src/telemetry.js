// Loaded before everything else: metrics on their own port, traces where the environment has a collector.
import { register } from "node:module";

import { HttpInstrumentation } from "@opentelemetry/instrumentation-http";
import { RuntimeNodeInstrumentation } from "@opentelemetry/instrumentation-runtime-node";
import { NodeSDK } from "@opentelemetry/sdk-node";

// Lets instrumentations see ES modules, those of Node itself included.
register("@opentelemetry/instrumentation/hook.mjs", import.meta.url);

const probes = new Set(["[[ spec.parameters.health_path ]]", "[[ spec.parameters.ready_path ]]"]);

// Everything else comes from the OTEL_* variables that the platform sets.
const sdk = new NodeSDK({
  instrumentations: [
    // Probes say nothing about users, so objectives must not count them.
    new HttpInstrumentation({ ignoreIncomingRequestHook: (request) => probes.has(request.url) }),
    new RuntimeNodeInstrumentation(),
  ],
});
sdk.start();

export const stopTelemetry = () => sdk.shutdown();
