FROM scratch
SHELL ["/bin/ash", "-eu", "-c"]
CMD echo one
ENTRYPOINT entry
HEALTHCHECK CMD check it
