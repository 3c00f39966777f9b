import type { InstructionFields } from '@pipelayer/dockerfile'

/** The fields of an `instruction` record. */
export type LintInstruction = InstructionFields &
  Required<Pick<InstructionFields, 'raw' | 'source'>> & { readonly dialect?: string | undefined }
