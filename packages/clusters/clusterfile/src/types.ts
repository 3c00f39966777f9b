/** Variables of a host or a cluster. A name that came several times has several values. */
export type Variables = Readonly<Record<string, readonly string[]>>

/** How a host is reached. The secrets in it never go into a record. */
export interface Access {
  readonly user?: string
  readonly password?: string
  /** The file of the private key. */
  readonly key?: string
  readonly keyPassword?: string
  readonly port?: number
}

export interface ClusterHost {
  readonly address: string
  /** `master` or `node` is among them, and what the file adds. */
  readonly roles: readonly string[]
  readonly variables: Variables
  readonly access: Access
  readonly labels: Readonly<Record<string, string>>
  /** `key=value:effect`. */
  readonly taints: readonly string[]
}

/** A document of kind Config: data for a file of the root filesystem. */
export interface ConfigFile {
  readonly name: string
  /** Below the root filesystem of the image. */
  readonly path: string
  readonly strategy: 'overwrite' | 'merge'
  readonly data: string
}

export type PluginType = 'SHELL' | 'LABEL' | 'TAINT' | 'HOSTNAME' | 'ETCD' | 'CLUSTERCHECK'
export type PluginAction =
  | 'Originally'
  | 'PreInit'
  | 'PreInstall'
  | 'PostInstall'
  | 'PreGuest'
  | 'PreClean'
  | 'PostClean'

export interface Plugin {
  readonly name: string
  readonly type: PluginType
  readonly action: PluginAction
  /** Hosts: a role, `master0`, addresses, or `label=value`; of ETCD the file of the snapshot. */
  readonly on: string
  readonly data: string
}

/** A document for kubeadm itself. */
export interface KubeadmDocument {
  readonly kind: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** Where the registry inside the cluster is. */
export interface ClusterRegistry {
  readonly domain: string
  readonly port: number
  readonly username?: string
  readonly password?: string
}

/** The documents beside that of the cluster. */
export interface ClusterDocuments {
  readonly configs: readonly ConfigFile[]
  readonly plugins: readonly Plugin[]
  readonly kubeadm: readonly KubeadmDocument[]
}

export interface Cluster {
  readonly name: string
  readonly image?: string
  /** Masters first, each kind in the order of the file. */
  readonly hosts: readonly ClusterHost[]
  readonly variables: Variables
  /** Arguments of the image's commands. */
  readonly arguments: readonly string[]
  readonly access: Access
  readonly registry: ClusterRegistry
  /** `ADDRESS NAME...` lines for every host. */
  readonly hostAliases: readonly string[]
  readonly documents: ClusterDocuments
}
