FROM scratch
FLY to the moon
