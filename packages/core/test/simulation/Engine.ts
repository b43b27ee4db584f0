/**
 * The engine as one value, so that a simulation can be given another one: a copy with a planted bug.
 */
import * as advance from "../../src/engine/advance.ts"
import * as cancel from "../../src/engine/cancel.ts"
import * as claim from "../../src/engine/claim.ts"
import * as inspect from "../../src/engine/inspect.ts"
import * as invariants from "../../src/engine/invariants.ts"
import * as register from "../../src/engine/register.ts"
import * as release from "../../src/engine/release.ts"
import * as retry from "../../src/engine/retry.ts"
import * as settle from "../../src/engine/settle.ts"
import * as Store from "../../src/engine/Store.ts"
import * as submit from "../../src/engine/submit.ts"
import * as sweep from "../../src/engine/sweep.ts"

/** The modules of the engine that a broker uses, by the names of their files. */
export const modules = {
  advance,
  cancel,
  claim,
  inspect,
  invariants,
  register,
  release,
  retry,
  settle,
  Store,
  submit,
  sweep
}

export type Engine = typeof modules
