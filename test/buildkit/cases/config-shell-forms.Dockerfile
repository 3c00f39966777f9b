FROM scratch
CMD echo $HOME "two words"
ENTRYPOINT exec top -b
HEALTHCHECK CMD curl -f localhost || exit 1
