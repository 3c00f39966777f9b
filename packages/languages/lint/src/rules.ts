/**
 * The table of rules with their names, descriptions and severities.
 *
 * Those of origin `buildkit` have the names, descriptions and messages of `docker build --check`. BuildKit's
 * InvalidBaseImagePlatform is missing, since it needs the config of the base image.
 *
 * Spec: moby/buildkit frontend/dockerfile/linter, Dockerfile frontend 1.20
 *
 * @module
 */

export const SEVERITIES = ['error', 'warning', 'info'] as const
export type Severity = (typeof SEVERITIES)[number]

export interface Rule {
  readonly origin: 'buildkit' | 'pipelayer'
  /** The severity of most of its findings. */
  readonly severity: Severity
  readonly description: string
  /** Reports only when `experimental=` names it. */
  readonly experimental?: true
  /** The rule reads names and words only, so it applies to Kubefiles too. */
  readonly kubefiles?: true
}

const TABLE = {
  StageNameCasing: {
    origin: 'buildkit',
    severity: 'warning',
    description: 'Stage names should be lowercase',
    kubefiles: true,
  },
  FromAsCasing: {
    origin: 'buildkit',
    severity: 'warning',
    description: "The 'as' keyword should match the case of the 'from' keyword",
    kubefiles: true,
  },
  NoEmptyContinuation: {
    origin: 'buildkit',
    severity: 'warning',
    description: 'Empty continuation lines will become errors in a future release',
  },
  ConsistentInstructionCasing: {
    origin: 'buildkit',
    severity: 'warning',
    description: 'All commands within the Dockerfile should use the same casing (either upper or lower)',
    kubefiles: true,
  },
  DuplicateStageName: {
    origin: 'buildkit',
    severity: 'warning',
    description: 'Stage names should be unique',
  },
  ReservedStageName: {
    origin: 'buildkit',
    severity: 'warning',
    description: 'Reserved words should not be used as stage names',
  },
  JSONArgsRecommended: {
    origin: 'buildkit',
    severity: 'warning',
    description:
      'JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals',
  },
  MaintainerDeprecated: {
    origin: 'buildkit',
    severity: 'warning',
    description: 'The MAINTAINER instruction is deprecated, use a label instead to define an image author',
    kubefiles: true,
  },
  UndefinedArgInFrom: {
    origin: 'buildkit',
    severity: 'warning',
    description: 'FROM command must use declared ARGs',
  },
  WorkdirRelativePath: {
    origin: 'buildkit',
    severity: 'warning',
    description:
      'Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes',
  },
  UndefinedVar: {
    origin: 'buildkit',
    severity: 'warning',
    description: 'Variables should be defined before their use',
  },
  MultipleInstructionsDisallowed: {
    origin: 'buildkit',
    severity: 'warning',
    description: 'Multiple instructions of the same type should not be used in the same stage',
  },
  LegacyKeyValueFormat: {
    origin: 'buildkit',
    severity: 'warning',
    description: 'Legacy key/value format with whitespace separator should not be used',
    kubefiles: true,
  },
  RedundantTargetPlatform: {
    origin: 'buildkit',
    severity: 'warning',
    description:
      'Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior',
  },
  SecretsUsedInArgOrEnv: {
    origin: 'buildkit',
    severity: 'warning',
    description: 'Sensitive data should not be used in the ARG or ENV commands',
    kubefiles: true,
  },
  InvalidDefaultArgInFrom: {
    origin: 'buildkit',
    severity: 'warning',
    description: 'Default value for global ARG results in an empty or invalid base image name',
  },
  FromPlatformFlagConstDisallowed: {
    origin: 'buildkit',
    severity: 'warning',
    description: 'FROM --platform flag should not use a constant value',
  },
  CopyIgnoredFile: {
    origin: 'buildkit',
    severity: 'warning',
    description: 'Attempting to Copy file that is excluded by .dockerignore',
  },
  InvalidDefinitionDescription: {
    origin: 'buildkit',
    severity: 'warning',
    description:
      'Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment.',
    experimental: true,
  },
  ExposeProtoCasing: {
    origin: 'buildkit',
    severity: 'warning',
    description: 'Protocol in EXPOSE instruction should be lowercase',
  },
  ExposeInvalidFormat: {
    origin: 'buildkit',
    severity: 'warning',
    description:
      'IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release',
  },
  AbsoluteWorkdir: {
    origin: 'pipelayer',
    severity: 'info',
    description: 'Every WORKDIR should be absolute, so that it reads without those above it',
  },
  PinnedBaseImage: {
    origin: 'pipelayer',
    severity: 'warning',
    description: 'A base image should be named with a tag other than latest, or with a digest',
    kubefiles: true,
  },
  CopyOverAdd: {
    origin: 'pipelayer',
    severity: 'warning',
    description: 'COPY should be used where the unpacking and downloading of ADD is not needed',
  },
  AptGetUpdateWithInstall: {
    origin: 'pipelayer',
    severity: 'warning',
    description: 'apt-get update and apt-get install should stand in one RUN',
  },
  PackageCleanUp: {
    origin: 'pipelayer',
    severity: 'warning',
    description: 'What a package manager downloads should be removed in the RUN that installs',
  },
  SortedPackages: {
    origin: 'pipelayer',
    severity: 'info',
    description: 'Packages to install should be sorted, so that doubles and changes are seen',
  },
  NoSystemUpgrade: {
    origin: 'pipelayer',
    severity: 'info',
    description:
      'The system should be brought up to date by a newer base image, not by an upgrade in the build',
  },
  WorkdirOverCd: {
    origin: 'pipelayer',
    severity: 'info',
    description: 'WORKDIR should be used in place of a cd at the head of RUN',
  },
  DependenciesBeforeSources: {
    origin: 'pipelayer',
    severity: 'info',
    description:
      'Dependencies should be installed before the whole context is copied, so that the cache keeps them',
  },
  SecretLiteral: {
    origin: 'pipelayer',
    severity: 'error',
    description: 'No private key, token or password should stand in the file',
    kubefiles: true,
  },
  SecretFileCopied: {
    origin: 'pipelayer',
    severity: 'warning',
    description: 'Files that hold keys or passwords should be mounted as secrets, not copied',
    kubefiles: true,
  },
  LanguageCacheCleanUp: {
    origin: 'pipelayer',
    severity: 'info',
    description: 'What pip, npm, yarn and gem download should be removed in the RUN that installs',
  },
  NonInteractiveInstall: {
    origin: 'pipelayer',
    severity: 'warning',
    description: 'A package manager should not ask questions in a build',
  },
  NoInstallRecommends: {
    origin: 'pipelayer',
    severity: 'info',
    description: 'apt-get install should leave recommended packages out',
  },
  InstallsTogether: {
    origin: 'pipelayer',
    severity: 'info',
    description: 'Packages that are installed one call after the other should be installed by one',
  },
  BuildToolsShipped: {
    origin: 'pipelayer',
    severity: 'info',
    description: 'Compilers and headers should not stay in the image',
  },
  InteractiveTools: {
    origin: 'pipelayer',
    severity: 'info',
    description: 'Editors and tools for people at a terminal should not be in the image',
  },
  OneService: {
    origin: 'pipelayer',
    severity: 'info',
    description: 'A container should run one service',
  },
  PinnedPackages: {
    origin: 'pipelayer',
    severity: 'info',
    description: 'Packages should be installed in a stated version',
    experimental: true,
  },
  AptGetOverApt: {
    origin: 'pipelayer',
    severity: 'info',
    description: 'apt-get should be used in place of apt, which is for people',
  },
  NoSudo: {
    origin: 'pipelayer',
    severity: 'info',
    description: 'sudo should not be used, since RUN has the rights of USER',
  },
  PointlessCommand: {
    origin: 'pipelayer',
    severity: 'info',
    description: 'Programs that show, change or serve a running machine should not be run in a build',
  },
  PipefailMissing: {
    origin: 'pipelayer',
    severity: 'info',
    description: 'A pipe should not hide the failure of its first programs',
  },
  WgetProgress: {
    origin: 'pipelayer',
    severity: 'info',
    description: 'wget should not draw its progress into the output of a build',
  },
  CurlOrWget: {
    origin: 'pipelayer',
    severity: 'info',
    description: 'A stage should download by curl or by wget, and not install both',
  },
  UseraddHighUid: {
    origin: 'pipelayer',
    severity: 'warning',
    description: 'useradd of a high user id should not write a log of logins',
  },
  ShellOverLink: {
    origin: 'pipelayer',
    severity: 'info',
    description: 'SHELL should be used in place of another /bin/sh',
  },
  MkdirNotNeeded: {
    origin: 'pipelayer',
    severity: 'info',
    description: 'A folder that WORKDIR makes should not be made before it',
  },
  ConsecutiveRuns: {
    origin: 'pipelayer',
    severity: 'info',
    description: 'RUNs one behind the other should be one, where their layers are in the image',
  },
  AddForArchives: {
    origin: 'pipelayer',
    severity: 'info',
    description: 'ADD should be used for a local archive that is unpacked',
  },
  CopyDestinationSlash: {
    origin: 'pipelayer',
    severity: 'info',
    description: 'The destination of several sources should end with a slash',
  },
  CopyRelativeDestination: {
    origin: 'pipelayer',
    severity: 'info',
    description: 'A destination should be absolute, or stand below a WORKDIR',
  },
  EnvSameInstruction: {
    origin: 'pipelayer',
    severity: 'warning',
    description: 'ENV should not use a variable that it sets itself',
  },
  LabelKey: {
    origin: 'pipelayer',
    severity: 'info',
    description: 'The key of a label should be in lower case, and not be one of Docker itself',
  },
  StartLast: {
    origin: 'pipelayer',
    severity: 'info',
    description: 'CMD and ENTRYPOINT should stand below what makes the image',
  },
  LastUserRoot: {
    origin: 'pipelayer',
    severity: 'warning',
    description: 'The last USER should not be root',
  },
  HealthcheckMissing: {
    origin: 'pipelayer',
    severity: 'info',
    description: 'An image should say by HEALTHCHECK how it is tested',
    experimental: true,
  },
  RegistryNamed: {
    origin: 'pipelayer',
    severity: 'info',
    description: 'A base image should be named with its registry',
    experimental: true,
  },
  PluginFolder: {
    origin: 'pipelayer',
    severity: 'warning',
    description: 'Plugins of sealer should be copied into the folder plugins, where it looks for them',
    kubefiles: true,
  },
  PluginInvalid: {
    origin: 'pipelayer',
    severity: 'warning',
    description: 'A plugin should have a type and an action that sealer knows',
    kubefiles: true,
  },
} as const satisfies Readonly<Record<string, Rule>>

export type RuleName = keyof typeof TABLE

export const RULES: Readonly<Record<RuleName, Rule>> = TABLE

/** All names, in the order in which they are explained. */
export const RULE_NAMES = Object.keys(TABLE) as readonly RuleName[]
