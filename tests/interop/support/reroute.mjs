// What the published client calls its `local` network is always http://localhost:8080, a port that a test cannot count
// on. What is asked there goes to a test's own service. To be imported before anything that loads @bsv/sdk, which keeps
// the `fetch` that it finds.

const LOCAL = 'http://localhost:8080'

const own = globalThis.fetch
let target = LOCAL

globalThis.fetch = async (resource, options) =>
  await own(typeof resource === 'string' ? resource.replace(LOCAL, target) : resource, options)

export function reroute (url) {
  target = url
}
