FROM scratch
ENV A=1 B="two words" C='single $A' D=$A E=${A}x F=a\ b
ENV OLD form  with   spaces
ENV G="$B and ${MISSING:-default}" H=${A:+set}${MISSING:+unset} I=${MISSING-dash} J=$A$B
ENV A=2 K=$A L=\$A M="\"q\"" N=''
ENV O=${A:-${B:-c}} P="a\
b"
