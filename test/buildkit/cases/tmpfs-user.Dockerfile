FROM docker.io/pipelayer-test/small:1
USER app
RUN --mount=type=tmpfs,target=/scratch/space echo x >/scratch/space/f && cp /scratch/space/f /home/app/got
