FROM docker.io/pipelayer-test/small:1
USER app
RUN --mount=type=tmpfs,target=/scratch/pad touch /scratch/pad/x && stat -c "%u" /scratch/pad/x > /home/app/owner
