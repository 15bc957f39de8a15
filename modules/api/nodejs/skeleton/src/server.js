import { createServer } from "node:http";

// What it answers, by method and path.
const routes = {
  "GET /": () => ({ service: "[[ name ]]" }),
};

function answer(response, status, body) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

export function makeServer() {
  const state = { ready: true };
  const server = createServer((request, response) => {
    const path = new URL(request.url, "http://localhost").pathname;
    if (path === "[[ spec.parameters.health_path ]]") return answer(response, 200, { alive: true });
    if (path === "[[ spec.parameters.ready_path ]]") return answer(response, state.ready ? 200 : 503, { ready: state.ready });
    const handler = routes[`${request.method} ${path}`];
    if (!handler) return answer(response, 404, { error: "not found" });
    try {
      answer(response, 200, handler(request));
    } catch (error) {
      process.stderr.write(`${JSON.stringify({ level: "error", message: error.message })}\n`);
      answer(response, 500, { error: "internal error" });
    }
  });
  return { server, state };
}
