/**
 * The grammar of an image reference.
 *
 * ```
 * reference      = name [ ":" tag ] [ "@" digest ]
 * name           = [ domain "/" ] path
 * domain         = host [ ":" 1*DIGIT ]
 * host           = domain-name / "[" 1*( HEXDIG / ":" ) "]"
 * domain-name    = label *( "." label )
 * label          = letters, digits and inner hyphens
 * path           = component *( "/" component )
 * component      = alphanumeric *( separator alphanumeric )       alphanumeric = 1*( a-z / 0-9 )
 * separator      = "." / "_" / "__" / 1*"-"
 * tag            = ( word ) *127( word / "." / "-" )              word = letters, digits, "_"
 * digest         = algorithm ":" 32*HEXDIG
 * identifier     = 64( a-f / 0-9 )                                (an image ID, which is no name)
 *
 * ref-name       = ref-part *( "/" ref-part )                     (a name in the index of a layout)
 * ref-part       = alphanum *( ref-separator alphanum )           alphanum = 1*( A-Z / a-z / 0-9 )
 * ref-separator  = "-" / "." / "_" / ":" / "@" / "+" / "--"
 * ```
 *
 * Spec: distribution-spec v1.1, "Pulling manifests"; the domain and the digest are those of distribution/reference; the
 * ref-name is image-spec v1.1's, annotations.md.
 *
 * @module
 */
const LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])'
const HOST = `(?:${LABEL}(?:\\.${LABEL})*|\\[[a-fA-F0-9:]+\\])`
const DOMAIN = `${HOST}(?::[0-9]+)?`
const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*'
const PATH = `${COMPONENT}(?:/${COMPONENT})*`
const TAG = '\\w[\\w.-]{0,127}'
const ALGORITHM = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*'
const REF_PART = '[A-Za-z0-9]+(?:(?:[-._:@+]|--)[A-Za-z0-9]+)*'
const DIGEST = `${ALGORITHM}:[0-9a-fA-F]{32,}`

/** Anchored patterns of the grammar's rules. */
export const GRAMMAR = {
  /** Groups: name, tag, digest. */
  reference: new RegExp(`^((?:${DOMAIN}/)?${PATH})(?::(${TAG}))?(?:@(${DIGEST}))?$`),
  /** Groups: domain, path. */
  name: new RegExp(`^(?:(${DOMAIN})/)?(${PATH})$`),
  domain: new RegExp(`^${DOMAIN}$`),
  path: new RegExp(`^${PATH}$`),
  tag: new RegExp(`^${TAG}$`),
  digest: new RegExp(`^${DIGEST}$`),
  identifier: /^[a-f0-9]{64}$/,
  refName: new RegExp(`^${REF_PART}(?:/${REF_PART})*$`),
} as const

/** Characters of a path at most. */
export const MAX_PATH = 255
/**
 * The longest text that is compared with the patterns, which keeps hostile text away from them. No reference is longer.
 */
export const MAX_TEXT = 2048
