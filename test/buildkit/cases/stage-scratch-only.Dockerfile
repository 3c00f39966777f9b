FROM scratch
LABEL only=config
