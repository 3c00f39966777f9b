// Tables for the best practices: what each rule reports, and what it does not.
import { check, S } from './rows.js'

const D = 'FROM debian:12\n'
const UPDATE = 'apt-get update && apt-get install -y'
const RM = '&& rm -rf /var/lib/apt/lists/*'

const RULES = [
  'AptGetUpdateWithInstall',
  'CopyOverAdd',
  'DependenciesBeforeSources',
  'NoSystemUpgrade',
  'PackageCleanUp',
  'SecretFileCopied',
  'SecretLiteral',
  'SortedPackages',
  'WorkdirOverCd',
] as const

check(
  'best practices',
  [
    {
      text: `${S}ADD a.tar.gz b /\nADD https://h/a /\nADD git@h.example:a.git /\nADD *.t* /\nADD x* /\nADD x /`,
      want: ['CopyOverAdd:7'],
      why: 'ADD where COPY does',
    },
    { text: `${D}RUN ${UPDATE} a b ${RM}`, want: [], why: 'as it should be' },
    { text: `${D}RUN ${UPDATE} a`, want: ['PackageCleanUp:2'], why: 'lists are left' },
    {
      text: `${D}RUN --mount=type=cache,target=/var/lib/apt ${UPDATE} a`,
      want: [],
      why: 'a cache mount keeps them out',
    },
    { text: `FROM debian:12 AS b\nRUN ${UPDATE} a\n${D}`, want: [], why: 'a stage that is not shipped' },
    {
      text: `FROM debian:12 AS b\nRUN ${UPDATE} a\nFROM b`,
      want: ['PackageCleanUp:2'],
      why: 'a stage below the last',
    },
    {
      text: `${D}RUN apt-get update\nRUN apt-get install -y a ${RM}`,
      want: ['AptGetUpdateWithInstall:2'],
      why: 'apart: said once',
    },
    {
      text: `${D}RUN apt-get -o X=y install -t z b=2 a ${RM}`,
      want: ['SortedPackages:2?', 'AptGetUpdateWithInstall:2'],
      why: 'options with values are no packages',
    },
    { text: `${D}RUN apt-get install ./a.deb ${RM}`, want: [], why: 'a local package needs no lists' },
    {
      text: `${D}RUN <<E\nset -e\napt-get update # now\nDEBIAN_FRONTEND=x apt-get install -y \\\n  b 'a'\nrm -rf "/var/lib/apt/lists/"*\nE\n`,
      want: ['SortedPackages:2?'],
      why: 'a heredoc',
    },
    {
      text: `${D}RUN ["sh", "-c", "cd /x && ls"]\nRUN cd y\nRUN ls; cd z`,
      want: ['WorkdirOverCd:2?', 'WorkdirOverCd:3?'],
      why: 'cd at the head',
    },
    {
      text: 'FROM alpine:3\nRUN apk add a\nRUN apk add --no-cache a\nRUN apk upgrade\nRUN apk upgrade a',
      want: ['PackageCleanUp:2', 'NoSystemUpgrade:4?'],
      why: 'apk',
    },
    {
      text: 'FROM fedora:40\nRUN dnf install -y a\nRUN dnf -y install a && dnf clean all\nRUN yum -y update',
      want: ['PackageCleanUp:2', 'NoSystemUpgrade:4?'],
      why: 'dnf and yum',
    },
    {
      text: `${D}SHELL ["pwsh", "-c"]\nRUN cd x; apt-get update`,
      want: [],
      why: 'another shell is another language',
    },
    {
      text: `${D}WORKDIR /a\nCOPY . .\nRUN npm ci --omit=dev`,
      want: ['DependenciesBeforeSources:4?'],
      why: 'everything first',
    },
    {
      text: `${D}COPY package.json ./\nRUN npm ci\nCOPY . .\nRUN npm install`,
      want: [],
      why: 'the list first',
    },
    {
      text: `${D}COPY . .\nRUN npm install -g x && pip install x`,
      want: [],
      why: 'packages by name depend on no file',
    },
    {
      text: `${D}COPY ./ /a\nRUN pip install --no-cache-dir -r r.txt`,
      want: ['DependenciesBeforeSources:3?'],
      why: 'pip',
    },
    {
      text: `${S}COPY .env a/id_rsa /\nADD --chmod=600 x.tar /`,
      want: ['SecretFileCopied:2', 'SecretFileCopied:2'],
      why: 'files of keys',
    },
    {
      text: `${S}RUN curl https://u:pw@h/ https://$U:$P@h/ https://h:80/a@b`,
      want: ['SecretLiteral:2!'],
      why: 'a password in a URL',
    },
    {
      text: `${S}COPY <<E /k\n-----BEGIN RSA PRIVATE KEY-----\nE\n`,
      want: ['SecretLiteral:2!'],
      why: 'a key in a heredoc',
    },
  ],
  RULES,
)
