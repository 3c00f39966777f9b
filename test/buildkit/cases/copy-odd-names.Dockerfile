FROM scratch
COPY ["odd names", "/odd names"]
COPY ["odd names/with space", "odd names/café", "/some/"]
COPY odd*/[[]bracket] /b/
