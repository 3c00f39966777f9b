FROM scratch
ADD --exclude=sub dir /1
ADD --exclude=*.md --exclude=one many /2
