#!/usr/bin/env bash
# What one large GPU can show in half an hour, in order of worth:
#   bash profiles/gpu/half_hour.sh [MINUTES] [PROFILE]
# It stops a minute early, with exit code 75; started again it goes on, so that several short loans do as well.
# A notebook's rows, figures and trainings are in results/ and runs/ as soon as they are made.
set -uo pipefail
minutes=${1:-30}
profile=${2:-gpu}
end=$((SECONDS + 60 * minutes - 60))

run() {
    local left=$((end - SECONDS))
    ((left > 20)) || exit 75
    echo "[$((SECONDS / 60)) min] $*"
    "$@" --profile "$profile" --stop-after "${left}s"
    local code=$?
    ((code != 75)) || exit 75
    ((code == 0)) || echo "  failed: going on with the next"
}

# throughput beside the card's rate of matrix products, and beside a plain float32 loop
mkdir -p "results/$profile"
if [ ! -s "results/$profile/bench.txt" ]; then
    indi bench --profile "$profile" --seconds 20 | tee "results/$profile/bench.txt.part" &&
        mv "results/$profile/bench.txt.part" "results/$profile/bench.txt"
fi
# the main tasks, with Fig. 9: naive, Cold Diffusion and InDI over numbers of steps. 4x has nine times the
# operations of motion blur: fewer steps, and no comparison of noise levels here
counts='step_counts=[1,2,5,10,20]'
run indi run notebooks/04_jpeg.ipynb -p "$counts"
run indi run notebooks/05_motion.ipynb -p "$counts"
run indi run notebooks/06_super_resolution.ipynb -p "$counts" -p steps=1000 -p 'noise_levels=[0.015]' -p sweep_steps=1000
# eps and p(t), with fewer steps for all that are compared
run indi run notebooks/11_noise.ipynb -p steps=500
run indi run notebooks/10_time_distribution.ipynb -p steps=500 -p seeds=1
