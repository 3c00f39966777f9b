FROM docker.io/pipelayer-test/small:1
RUN --mount=type=bind,target=/mnt/ctx cat /mnt/ctx/a.txt > /1
RUN --mount=source=dir,target=/d,rw echo lost > /d/new && ls /d > /2
RUN --mount=type=bind,from=docker.io/pipelayer-test/configured:1,source=/home/app,dst=/b cat /b/from-base > /3
RUN --mount=type=bind,source=a.txt,target=/single/file cat /single/file > /4
