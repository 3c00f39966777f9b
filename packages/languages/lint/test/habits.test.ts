// Tables for what people do by habit: what each rule reports, and what it does not.
import type { RuleName } from '../src/rules.js'
import { check, type Row } from './rows.js'

const D = 'FROM debian:12\n'
const A = 'FROM alpine:3.20\n'
const ALL = { check: { skip: new Set<string>(), experimental: 'all', error: false } } as const

/** Rows of one rule: the text, the lines that it reports, and why. */
function rule(
  name: RuleName,
  mark: string,
  rows: readonly (readonly [string, readonly number[], string])[],
): void {
  const full = rows.map(
    ([text, lines, why]): Row => ({
      text,
      want: lines.map(line => `${name}:${line}${mark}`),
      why,
      options: ALL,
    }),
  )
  check(name, full, [name])
}

rule('NonInteractiveInstall', '', [
  [`${D}RUN apt-get install a`, [2], 'a question'],
  [`${D}RUN apt-get install -y a`, [], '-y'],
  [`${D}RUN apt-get -qq install a`, [], '-qq answers too'],
  [`${D}RUN apt-get install -qy a`, [], 'joined'],
  [`${D}RUN apt-get --assume-yes install a`, [], 'before the subcommand'],
  [`${D}RUN apt-get -o APT::Get::Assume-Yes=true install a`, [], 'as a setting'],
  [
    `${D}RUN echo 'APT::Get::Assume-Yes "true";' > /etc/apt/apt.conf.d/90\nRUN apt-get install a`,
    [],
    'in a file',
  ],
  [`${D}RUN yes | apt-get install a`, [], 'fed'],
  [`${D}RUN apt-get update`, [], 'an update asks nothing'],
  [`${D}RUN apt-get upgrade`, [2], 'an upgrade asks'],
  ['FROM fedora:40\nRUN dnf install a', [2], 'dnf'],
  ['FROM fedora:40\nRUN dnf -y install a', [], 'dnf -y'],
  ['FROM fedora:40\nRUN microdnf install a', [], 'microdnf asks nothing'],
  ['FROM opensuse/leap:15\nRUN zypper install a', [2], 'zypper'],
  ['FROM opensuse/leap:15\nRUN zypper -n install a', [], 'zypper -n'],
  [`${A}RUN apk add a`, [], 'apk asks nothing'],
])

rule('NoInstallRecommends', '?', [
  [`${D}RUN apt-get install -y a`, [2], 'taken along'],
  [`${D}RUN apt-get install -y --no-install-recommends a`, [], 'left out'],
  [`${D}RUN apt-get install -y --install-recommends a`, [], 'wanted'],
  [`${D}RUN apt-get install -y -o APT::Install-Recommends=false a`, [], 'as a setting'],
  [`${D}RUN apt-get install -y ./a.deb`, [], 'a file'],
  [`${D}RUN apt-get install -y --no-install-recommends a && apt-get install -y b`, [2], 'the second call'],
  ['FROM fedora:40\nRUN dnf install -y a', [], 'dnf has others'],
])

rule('InstallsTogether', '?', [
  [
    `${A}RUN apk update && \\\n apk add --no-cache a && \\\n apk add --no-cache b`,
    [2],
    'one behind the other',
  ],
  [`${A}RUN apk add --no-cache a && apk add --no-cache --virtual v b`, [], 'another option'],
  [`${D}RUN apt-get install -y a && curl x && apt-get install -y b`, [], 'something between them'],
  [`${A}RUN apk add --no-cache a`, [], 'a single one'],
])

rule('BuildToolsShipped', '?', [
  [`${A}RUN apk add --no-cache gcc musl-dev`, [2], 'a compiler'],
  [`${D}RUN apt-get install -y libssl-dev`, [2], 'headers'],
  [`${A}RUN apk add --no-cache --virtual b gcc && make && apk del b`, [], 'removed'],
  [`${D}RUN apt-get install -y gcc=12 && make && apt-get purge -y gcc`, [], 'purged'],
  [
    `${D.replace('12', '12 AS b')}RUN apt-get install -y gcc\n${D}COPY --from=b /x /`,
    [],
    'a stage of its own',
  ],
  [`${D}RUN apt-get install -y ca-certificates`, [], 'no tool'],
])

rule('InteractiveTools', '?', [
  [`${A}RUN apk add --no-cache vim`, [2], 'an editor'],
  [`${A}RUN apk add --no-cache vim=9.1-r0`, [2], 'with a version'],
  [`${A}RUN apk add --no-cache vimdiff-like`, [], 'another name'],
  [`${A}RUN apk add --no-cache strace\nENTRYPOINT ["strace"]`, [], 'what the image is for'],
])

rule('OneService', '?', [
  [`${D}CMD ["/usr/bin/supervisord"]`, [2], 'started'],
  [`${D}CMD exec supervisord -n`, [2], 'started by a shell'],
  [`${D}RUN apt-get install -y supervisor`, [2], 'installed'],
  [`${D}CMD ["nginx"]`, [], 'a service'],
])

rule('PinnedPackages', '?', [
  [`${D}RUN apt-get install -y a=1 b`, [2], 'one of two'],
  [`${D}RUN apt-get install -y a=1.*`, [], 'a version'],
  [`${A}RUN apk add --no-cache a~=1 "b>2"`, [], 'a bound'],
  [`${D}RUN pip install a==1 b>=2`, [], 'pip'],
  [`${D}RUN pip install a`, [2], 'pip without'],
  [`${D}RUN pip install -r list.txt`, [], 'a list'],
  [`${D}RUN pip install .`, [], 'the context'],
  [`${D}RUN npm install -g a@1 @s/b@2`, [], 'npm'],
  [`${D}RUN npm install -g a`, [2], 'npm without'],
  [`${D}RUN gem install a:1.0`, [], 'gem'],
  [`${D}RUN gem install a -v 1.0`, [], 'gem with an option'],
  [`${D}RUN gem install a`, [2], 'gem without'],
  [`${D}RUN go install h.example/a@v1`, [], 'go'],
  [`${D}RUN go install h.example/a@latest`, [2], 'go with the newest'],
  [`${D}RUN apt-get install -y $PACKAGES ./a.deb`, [], 'unknown, and a file'],
])

rule('LanguageCacheCleanUp', '?', [
  [`${D}RUN pip install a`, [2], 'pip'],
  [`${D}RUN python3 -m pip install a`, [2], 'pip as a module'],
  [`${D}RUN pip install --no-cache-dir a`, [], 'without'],
  [`${D}RUN PIP_NO_CACHE_DIR=1 pip install a`, [], 'a variable of the command'],
  [`${D}ENV PIP_NO_CACHE_DIR=1\nRUN pip install a`, [], 'a variable of the image'],
  [`${D}RUN --mount=type=cache,target=/root/.cache pip install a`, [], 'a cache mount'],
  [`${D}RUN npm ci`, [2], 'npm'],
  [`${D}RUN npm ci && npm cache clean --force`, [], 'npm, cleaned'],
  [`${D}RUN npm run build`, [], 'npm installs nothing'],
  [`${D}RUN yarn install && yarn cache clean`, [], 'yarn, cleaned'],
  [`${D}RUN yarn`, [2], 'yarn'],
  [`${D}RUN gem install a`, [2], 'gem'],
  [`${D}RUN gem install a && rm -rf /root/.gem`, [], 'gem, removed'],
  [`FROM node:20 AS b\nRUN npm ci\n${D}COPY --from=b /x /`, [], 'a stage of its own'],
])

rule('AptGetOverApt', '?', [
  [`${D}RUN apt update`, [2], 'apt'],
  [`${D}RUN apt-get update`, [], 'apt-get'],
])

rule('NoSudo', '?', [
  [`${D}RUN sudo ls`, [2], 'sudo'],
  [`${D}RUN apt-get install -y sudo`, [], 'installed only'],
])

rule('PointlessCommand', '?', [
  [`${D}RUN shutdown now`, [2], 'a machine'],
  [`${D}RUN service nginx start`, [2], 'a service'],
  [`${D}RUN systemctl restart nginx`, [2], 'systemd'],
  [`${D}RUN service mysql start && mysql -e x`, [], 'used in the same RUN'],
  [`${D}RUN systemctl enable nginx`, [], 'a file of the image'],
])

rule('PipefailMissing', '?', [
  [`${D}RUN curl x | sh`, [2], 'hidden'],
  [`${D}RUN set -o pipefail && curl x | sh`, [], 'set'],
  [`${D}SHELL ["/bin/bash", "-eo", "pipefail", "-c"]\nRUN curl x | sh`, [], 'set by SHELL'],
  [`${D}RUN echo a | tee b`, [], 'echo does not fail'],
  [`${D}RUN curl x || true`, [], 'or'],
  [`${D}RUN case x in a|b) ls;; esac`, [], 'a pattern'],
  [`${D}RUN echo 'a | b'`, [], 'quoted'],
  [`${D}RUN ["sh", "-c", "curl x | sh"]`, [], 'the list form has a shell of its own'],
])

rule('WgetProgress', '?', [
  [`${D}RUN wget x && wget y`, [2], 'drawn: said once'],
  [`${D}RUN wget -q x && wget -qO- x && wget -nv x && wget --progress=dot x`, [], 'quiet'],
  [`${D}RUN wget -O y x`, [2], 'the name of the file is another option'],
])

rule('CurlOrWget', '?', [
  [`${D}RUN wget -q x\nRUN curl x`, [3], 'both used'],
  [`${D}RUN apt-get install -y curl wget`, [2], 'both installed'],
  [`${D}RUN curl x`, [], 'one'],
  [`FROM debian:12 AS a\nRUN curl x\n${D}RUN wget -q x`, [], 'in two stages'],
])

rule('UseraddHighUid', '', [
  [`${D}RUN useradd -u 1000000 a`, [2], 'a high id'],
  [`${D}RUN useradd --uid=1000000 a`, [2], 'joined'],
  [`${D}RUN useradd -l -u 1000000 a`, [], 'without the log'],
  [`${D}RUN useradd -u 1000 a`, [], 'a usual id'],
])

rule('ShellOverLink', '?', [
  [`${D}RUN ln -sf /bin/bash /bin/sh`, [2], 'linked'],
  [`${D}RUN ln -s /bin/sh /srv/sh`, [], 'another name'],
])

rule('MkdirNotNeeded', '?', [
  [`${D}RUN mkdir -p /a/\nWORKDIR /a`, [2], 'the same folder'],
  [`${D}RUN mkdir /a /b\nWORKDIR /a`, [], 'two folders'],
  [`${D}RUN mkdir /a && chown 1 /a\nWORKDIR /a`, [], 'with an owner'],
])

rule('ConsecutiveRuns', '?', [
  [`${D}RUN a\nRUN b\nRUN c`, [2], 'once for three'],
  [`${D}RUN a\nENV x=y\nRUN b`, [], 'something between them'],
  [`${D}RUN a\nRUN --network=none b`, [], 'another flag'],
  [`${D}RUN a\nRUN <<E\nb\nE\n`, [], 'a heredoc'],
  [`FROM debian:12 AS b\nRUN a\nRUN b\n${D}`, [], 'a stage of its own'],
])

rule('AddForArchives', '?', [
  [`${D}COPY a.tar.gz /\nRUN tar xf /a.tar.gz`, [2], 'unpacked'],
  [`${D}COPY a.tar.gz /\nRUN tar xf /b.tar.gz`, [], 'another'],
  [`FROM debian:12 AS b\n${D}COPY --from=b a.tar /\nRUN tar xf a.tar`, [], 'of a stage: ADD cannot'],
])

rule('CopyRelativeDestination', '?', [
  [`${D}COPY a b`, [2], 'relative'],
  [`${D}COPY a /b`, [], 'absolute'],
  [`${D}COPY a $b/`, [], 'a variable'],
  [`${D}WORKDIR /x\nCOPY a b`, [], 'below a WORKDIR'],
  [`FROM debian:12 AS a\nWORKDIR /x\nFROM a\nCOPY a b`, [], 'below one of the base'],
  ['FROM scratch\nCOPY a b', [], 'of scratch it is /'],
])

rule('CopyDestinationSlash', '?', [
  [`${D}COPY a b /c`, [2], 'a folder'],
  [`${D}COPY a b /c/`, [], 'written as one'],
  [`${D}COPY a b .`, [], 'the present folder'],
  [`${D}COPY a b $c`, [], 'a variable'],
  [`${D}COPY a /c`, [], 'one source'],
])

rule('EnvSameInstruction', '', [
  [`${D}ENV a=1 b=$a`, [2], 'its own'],
  [`${D}ENV a=1\nENV a=2 b=$a`, [], 'known above'],
  [`${D}ENV PATH=/x:$PATH`, [], 'its old value'],
  [`${D}ARG a\nENV a=1 b=$a`, [], 'an ARG'],
  [`${D}ENV a=1 b='$c'`, [], 'another'],
])

rule('LabelKey', '?', [
  [`${D}LABEL Maintainer=x`, [2], 'capitals'],
  [`${D}LABEL com.docker.x=y`, [2], 'reserved'],
  [`${D}LABEL "a.b"=c`, [], 'quoted'],
  [`${D}LABEL org.opencontainers.image.title=x a-b=c`, [], 'as it should be'],
])

rule('StartLast', '?', [
  [`${D}CMD ["a"]\nCOPY a /`, [2], 'above a COPY'],
  [`${D}COPY a /\nCMD ["a"]\nEXPOSE 80`, [], 'above what makes no layer'],
])

rule('LastUserRoot', '', [
  [`${D}USER root`, [2], 'root'],
  [`${D}USER 0:0`, [2], 'by number'],
  [`${D}USER root\nRUN a\nUSER app`, [], 'given away at the end'],
  [`FROM debian:12 AS b\nUSER root\nFROM b\nRUN a`, [2], 'from a stage below'],
  [`${D}RUN a`, [], 'none'],
])

rule('HealthcheckMissing', '?', [
  [`${D}RUN a`, [1], 'none'],
  [`${D}HEALTHCHECK NONE`, [], 'said to have none'],
])

rule('RegistryNamed', '?', [
  ['FROM debian:12', [1], 'none'],
  ['FROM h.example/debian:12', [], 'one'],
  ['FROM localhost:5000/debian:12', [], 'with a port'],
  ['FROM scratch', [], 'scratch is no image'],
  ['FROM h.example/debian:12 AS a\nFROM a', [], 'a stage is no image'],
])

check('comments of ours', [
  {
    text: `${D}# kf-lint ignore=AptGetOverApt\nRUN apt update`,
    want: ['AptGetUpdateWithInstall:3'],
    why: 'one',
  },
  {
    text: `${D}# kf-lint ignore=AptGetOverApt,AptGetUpdateWithInstall\nRUN apt update`,
    want: [],
    why: 'several',
  },
  { text: `${D}# kf-lint ignore=all\n# why\nRUN apt update`, want: [], why: 'all of them' },
  {
    text: `${D}# kf-lint ignore=AptGetOverApt\nRUN ls\nENV a=b\nRUN apt update`,
    want: ['AptGetOverApt:5?', 'AptGetUpdateWithInstall:5'],
    why: 'of another instruction',
  },
])

const SEEDS = `FROM alpine:3.6

# RUN install packages
RUN apk update && \\
    apk add --no-cache ruby && \\
    apk add --no-cache ruby-dev && \\
    apk add --no-cache lsof && \\
    apk add --no-cache wget && \\
    apk add --no-cache curl && \\
    apk add --no-cache build-base && \\
    apk add --no-cache vim

RUN gem install fluentd -v 1.6.0 --no-ri --no-rdoc && \\
    rm -rf /root/.gem && \\
    mkdir -p /etc/fluent/conf.d

WORKDIR /www/log-collector/
COPY fluent.conf /etc/fluent/
COPY log-collector /www/log-collector/
ENTRYPOINT ["./log-collector"]
`

check('packages one by one, compilers and editors', [
  {
    text: SEEDS,
    want: [
      'InstallsTogether:4?',
      'BuildToolsShipped:4?',
      'InteractiveTools:4?',
      'PackageCleanUp:4',
      'CurlOrWget:4?',
      'ConsecutiveRuns:4?',
    ],
    why: 'each once',
  },
])
