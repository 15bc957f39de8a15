// Loaded before everything else: metrics on their own port, traces where the environment has a collector.
import { PrometheusExporter } from "@opentelemetry/exporter-prometheus";
import { HttpInstrumentation } from "@opentelemetry/instrumentation-http";
import { RuntimeNodeInstrumentation } from "@opentelemetry/instrumentation-runtime-node";
import { NodeSDK } from "@opentelemetry/sdk-node";

const probes = new Set(["[[ spec.parameters.health_path ]]", "[[ spec.parameters.ready_path ]]"]);

// Everything else comes from the OTEL_* variables that the platform sets.
const sdk = new NodeSDK({
  metricReader: new PrometheusExporter({
    host: process.env.OTEL_EXPORTER_PROMETHEUS_HOST ?? "127.0.0.1",
    port: Number(process.env.OTEL_EXPORTER_PROMETHEUS_PORT ?? 9464),
  }),
  instrumentations: [
    // Probes say nothing about users, so objectives must not count them.
    new HttpInstrumentation({ ignoreIncomingRequestHook: (request) => probes.has(request.url) }),
    new RuntimeNodeInstrumentation(),
  ],
});
sdk.start();

export const stopTelemetry = () => sdk.shutdown();
