FROM scratch
ARG GIVEN
ENV X=${GIVEN:?must-be-set} Y=${GIVEN?also}
