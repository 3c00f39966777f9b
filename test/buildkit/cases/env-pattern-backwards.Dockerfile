# escape=`
FROM scratch
ENV A=a\?b
ENV B=${A%?\} C=${A%%\?*} D="${A#a\?}"
