/**
 * Certificates and keys for TLS, as files name them: read, and looked at before anybody else does, because TLS ignores some
 * that it can't use and speaks of others in riddles.
 */
import { IncompatibleStore } from "@arpeggio/core/Failure"
import * as Effect from "effect/Effect"
import { X509Certificate } from "node:crypto"
import { readFileSync } from "node:fs"
import type { ConnectionOptions as Tls } from "node:tls"
import { createSecureContext } from "node:tls"
import type { Server } from "./Server.ts"

/** Names of files in PEM. */
export interface Files {
  /** The certificate of the authority that the server's certificate is from. Default: those that Node knows. */
  readonly ca?: string | undefined
  /** A certificate for this process, where the server asks for one, and the key to it. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
}

/** The server, with what stands in its files, where TLS can use it. */
export const load = (server: Server): Effect.Effect<Server, IncompatibleStore> =>
  Effect.gen(function* () {
    const { certificates = {} } = server
    const { ca, cert, key } = certificates
    const tls: Tls = {
      ...(typeof server.tls === "object" ? server.tls : {}),
      ...(ca === undefined ? {} : { ca: yield* certificate(ca) }),
      ...(cert === undefined ? {} : { cert: yield* certificate(cert) }),
      ...(key === undefined ? {} : { key: yield* text(key) })
    }
    if ((tls.cert === undefined) !== (tls.key === undefined)) {
      const reason =
        "A certificate of one's own goes with its key, and only one of them is named: name `cert` and `key`."
      return yield* new IncompatibleStore({ reason })
    }
    yield* attempt(
      () => createSecureContext(tls),
      (message) => `The certificate and the key of one's own can't be used together: ${message}.`
    )
    return { ...server, certificates: undefined, tls: Object.keys(tls).length === 0 ? server.tls : tls }
  })

const certificate = (file: string): Effect.Effect<string, IncompatibleStore> =>
  Effect.tap(text(file), (pem) =>
    attempt(
      () => new X509Certificate(pem),
      () => `There is no certificate in ${file}. It must be in PEM, beginning with -----BEGIN CERTIFICATE-----.`
    )
  )

const text = (file: string): Effect.Effect<string, IncompatibleStore> =>
  attempt(
    () => readFileSync(file, "utf8"),
    (message) => `A file for TLS can't be read: ${message}.`
  )

const attempt = <A>(call: () => A, says: (message: string) => string): Effect.Effect<A, IncompatibleStore> =>
  Effect.try({
    try: call,
    catch: (error) => new IncompatibleStore({ reason: says(messageOf(error)) })
  })

/** OpenSSL says where in its sources it was; the reason alone is for people. */
export const messageOf = (error: unknown): string => {
  const { message, reason } = error as Error & { readonly reason?: string }
  return reason ?? message
}
