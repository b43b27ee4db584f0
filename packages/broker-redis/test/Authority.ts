/**
 * A certificate authority of the tests' own, made with openssl in a temporary folder, and what servers and clients need of it.
 */
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as RedisServer from "./RedisServer.ts"

export interface Authority {
  /** The file of its certificate, and what stands in it. */
  readonly ca: string
  readonly pem: string
  /** The files of a certificate that it gives to a host of this machine, or to a program on it. */
  readonly issue: (name: string) => { readonly cert: string; readonly key: string }
  /** Settings of a Redis that speaks TLS on a port, with everybody or with whom the authority knows. */
  readonly settings: (port: number, clients: "anybody" | "known") => ReadonlyArray<readonly [string, string]>
  /** The same as options of redis-server. */
  readonly options: (port: number, clients: "anybody" | "known") => ReadonlyArray<string>
  readonly remove: () => void
}

export const make = (name: string): Authority => {
  const folder = mkdtempSync(join(tmpdir(), "arpeggio-authority-"))
  const file = (name: string) => join(folder, name)
  const openssl = (...args: ReadonlyArray<string>) => execFileSync("openssl", args, { stdio: "ignore" })
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
  const [ca, caKey] = [file("ca.crt"), file("ca.key")]
  openssl("req", "-x509", ...newKey, "-days", "2", "-subj", `/CN=${name}`, "-keyout", caKey, "-out", ca)
  writeFileSync(file("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost")
  const issue = (name: string) => {
    const [cert, key, request] = [file(`${name}.crt`), file(`${name}.key`), file(`${name}.csr`)]
    openssl("req", ...newKey, "-subj", `/CN=${name}`, "-keyout", key, "-out", request)
    const signed = ["-CA", ca, "-CAkey", caKey, "-CAcreateserial", "-days", "2", "-extfile", file("names")]
    openssl("x509", "-req", "-in", request, ...signed, "-out", cert)
    return { cert, key }
  }
  const server = issue("server")
  const settings: Authority["settings"] = (port, clients) => [
    ["tls-port", String(port)],
    ["tls-cert-file", server.cert],
    ["tls-key-file", server.key],
    ["tls-ca-cert-file", ca],
    ["tls-auth-clients", clients === "known" ? "yes" : "no"]
  ]
  return {
    ca,
    pem: readFileSync(ca, "utf8"),
    issue,
    settings,
    options: (port, clients) => settings(port, clients).flatMap(([name, value]) => [`--${name}`, value]),
    remove: () => rmSync(folder, { recursive: true, force: true })
  }
}

/** One, where there is openssl and a server that speaks TLS; else nothing, and a notice. */
export const makeWherePossible = async (): Promise<Authority | undefined> => {
  let authority: Authority | undefined
  try {
    authority = make("Arpeggio's tests")
    const options = authority.options(await RedisServer.freePort(), "anybody")
    await (await RedisServer.startOwn("nothing", options)).stop()
    return authority
  } catch (error) {
    authority?.remove()
    const missing = authority === undefined ? "openssl can't be run" : "redis-server speaks no TLS"
    console.warn(`The tests of TLS are left out: ${missing}. ${String(error)}`)
    return undefined
  }
}
