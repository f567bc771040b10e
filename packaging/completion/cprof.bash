# SPDX-License-Identifier: Apache-2.0
# Completion of cprof for bash: its options up to the program, then what the program completes.

# settings: scripts/check-docs --write
_cprof_texts="--server --out --name --labels --label-names --resource --auth-token --auth-user --auth-password --tenant --headers --ca-file --client-cert --client-key --proxy --spool --otlp-endpoint --otlp-profiles --otlp-headers --otlp-compression --otlp-ca-file --otlp-client-cert --otlp-client-key --otlp-protocol --debug-path --listen --listen-token --listen-allow --listen-proxies --listen-cert --listen-key --schedule --kill-switch --socket --uploader --log"
_cprof_flags="--name-later --seccomp --follow --enabled"
_cprof_lists="--profiles"
_cprof_others="--cpu-hz --memory-rate --mutex-fraction --block-rate --wall-hz --max-overhead --interval --keep --spool-size --spool-age --otlp-timeout --listen-rate --fraction --start-delay --duration --linger"
_cprof_switches="--quiet --check --help --version"
_cprof_profiles="all cpu memory mutex block wall off_cpu threads threadcreate"
# end

_cprof_commands="ctl report diff top doctor explain convert"

# The words that a value of option $1 may begin with $2.
_cprof_value() {
    case " $_cprof_flags $_cprof_lists $_cprof_texts " in
    *" $1 "*) ;;
    *) return ;;
    esac
    case " $_cprof_texts " in *" $1 "*) mapfile -t COMPREPLY < <(compgen -f -- "$2") && compopt -o filenames && return ;; esac
    case " $_cprof_flags " in *" $1 "*) mapfile -t COMPREPLY < <(compgen -W "0 1" -- "$2") && return ;; esac
    # A comma list: what stands before the last comma stays.
    local before=
    [[ $2 == *,* ]] && before=${2%,*},
    mapfile -t COMPREPLY < <(compgen -P "$before" -W "$_cprof_profiles" -- "${2##*,}")
}

_cprof_ctl() {
    local word=$1 command=${COMP_WORDS[2]}
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "--json --help" -- "$word"
            compgen -S = -W "--session --program --pid --timeout" -- "$word")
        [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
    elif ((COMP_CWORD == 2)); then
        mapfile -t COMPREPLY < <(compgen -W "list status on off rate reset write flush dump" -- "$word")
    elif [[ $command == rate ]]; then
        mapfile -t COMPREPLY < <(compgen -S = -W "cpu memory mutex block wall" -- "$word") && compopt -o nospace
    elif [[ " on off reset " == *" $command "* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$_cprof_profiles" -- "$word")
    fi
}

# Of each command: options without a value, options with one.
_cprof_command_options() {
    case $1 in
    report) echo "-o --sources --live --help --session= --program= --pid= --listen=" ;;
    diff) echo "--json --markdown --help --type= --normalize= --fail-above= --html=" ;;
    top) echo "-n --once --help --session= --program= --pid= --type= --interval=" ;;
    doctor) echo "--verbose --json --no-push --help" ;;
    explain) echo "--all --help --program=" ;;
    convert) echo "--threads --help -o --to= --from= --type= --program= --output=" ;;
    esac
}

_cprof_values() {
    case $1 in
    --normalize) echo "none time total" ;;
    --to) echo "folded speedscope firefox pprof" ;;
    --from) echo "pprof folded speedscope firefox perf-script" ;;
    --type) echo "cpu wall off_cpu mutex contentions block alloc_space alloc_objects inuse_space inuse_objects threads threadcreate" ;;
    esac
}

# A command's options and files; bash breaks words at "=".
_cprof_command() {
    local word=$1 option=
    if [[ $word == "=" ]]; then
        option=${COMP_WORDS[COMP_CWORD - 1]} word=
    elif [[ ${COMP_WORDS[COMP_CWORD - 1]} == "=" ]]; then
        option=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    if [[ -n $option && -n $(_cprof_values "$option") ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_cprof_values "$option")" -- "$word")
    elif [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_cprof_command_options "${COMP_WORDS[1]}")" -- "$word")
        [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
    else
        mapfile -t COMPREPLY < <([[ ${COMP_WORDS[1]} == doctor ]] && compgen -c -- "$word"
            compgen -f -- "$word")
        compopt -o filenames
    fi
}

_cprof() {
    local word=${COMP_WORDS[COMP_CWORD]} at=1 value
    COMPREPLY=()
    if ((COMP_CWORD > 1)) && [[ ${COMP_WORDS[1]} == ctl ]]; then
        _cprof_ctl "$word"
        return
    fi
    if ((COMP_CWORD > 1)) && [[ " $_cprof_commands " == *" ${COMP_WORDS[1]} "* ]]; then
        _cprof_command "$word"
        return
    fi
    while ((at < COMP_CWORD)); do
        case ${COMP_WORDS[at]} in
        --) at=$((at + 1)) && break ;;
        -*) ;;
        *) break ;;
        esac
        # bash breaks words at "=": --cpu-hz=9 is three of them. Only with "=" has a switch a value.
        value=$((at + 1))
        if [[ ${COMP_WORDS[value]} == "=" ]]; then
            value=$((at + 2))
        elif [[ " $_cprof_flags $_cprof_switches " == *" ${COMP_WORDS[at]} "* ]]; then
            at=$value
            continue
        fi
        if ((value >= COMP_CWORD)); then
            _cprof_value "${COMP_WORDS[at]}" "${word#=}"
            return
        fi
        at=$((value + 1))
    done
    if ((at < COMP_CWORD)); then
        declare -F _command_offset >/dev/null && _command_offset "$at"
    elif [[ $word == -* && ${COMP_WORDS[COMP_CWORD - 1]} != -- ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$_cprof_switches" -- "$word"
            compgen -S = -W "$_cprof_flags $_cprof_lists $_cprof_texts $_cprof_others" -- "$word")
        [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
    else
        mapfile -t COMPREPLY < <(((COMP_CWORD == 1)) && compgen -W "$_cprof_commands" -- "$word"
            compgen -c -- "$word" && compgen -f -- "$word")
    fi
}
complete -o bashdefault -o default -F _cprof cprof
