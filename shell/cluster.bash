# What cluster-run, cluster-join and cluster-delete share: sealer's flags, as those of the programs of the pipe.
# Sets: name (this script), words (operands), hosts, ssh, plan (options for the programs), dry, image, file.
name=${0##*/} words=() hosts=() ssh=() plan=() exec=() dry='' file=''
wrong() { echo "$name: $1" >&2; exit 2; }
page=$(readlink -f "$0").md
args=$(getopt -n "$name" -o hm:n:p:u:e:f:i:J: -l help,masters:,nodes:,passwd:,password-file:,user:,env:,cmd-args:,pk:,key:,jump:,name:,file:,dry-run,width:,accept-new-host-keys,keep-going -- "$@") || exit 2
eval "set -- $args"
while [ "$1" != -- ]; do
  case $1 in
    -h | --help) sed -n '/^## OPTIONS/,/^## EXIT/{/^  /p}' "$page"; exit ;;
    -m | --masters) hosts+=("--masters=$2") masters=$2 ;;
    -n | --nodes) hosts+=("--nodes=$2") nodes=$2 ;;
    --name) hosts+=("--name=$2") ;;
    # A password on a command line is seen by every user of this machine while the script runs.
    -p | --passwd) export PIPELAYER_SSH_PASSWORD=$2 ;;
    --password-file) ssh+=("--password-file=$2") ;;
    -u | --user) ssh+=("--user=$2") ;;
    -i | --pk | --key) ssh+=("--key=$2") ;;
    -J | --jump) ssh+=("--jump=$2") ;;
    -e | --env) plan+=("--env=$2") ;;
    --cmd-args) plan+=("--cmd-args=$2") ;;
    -f | --file) file=$2 ;;
    --width) exec+=("--width=$2") ;;
    --dry-run) dry=1; set -- "$1" "$@" ;;
    --accept-new-host-keys) ssh+=("$1"); set -- "$1" "$@" ;;
    --keep-going) exec+=("$1"); set -- "$1" "$@" ;;
  esac
  shift 2
done
shift
words=("$@")

# Makes the plan: what is left of the options goes to cluster-plan.
plan_of() {
  cluster-facts "${hosts[@]}" "${ssh[@]}" ${file:+"$file"} | cluster-plan "${hosts[@]}" "${plan[@]}" "$@" "$image" ${file:+"$file"}
}
# Shows the plan, or does it.
do_plan() {
  if [ "$dry" ]; then plan_of --format=text "$@"; else
    plan_of "$@" | cluster-exec "${ssh[@]}" "${exec[@]}" ${file:+--clusterfile="$file"}
  fi
}
