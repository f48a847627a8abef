#!/bin/sh
# Declare, train and score a small network with nothing but curl.
#
#   castorch serve                                   # in another window
#   sh examples/curl_walkthrough.sh [http://127.0.0.1:8080]
set -eu

url=${1:-${CASTORCH_URL:-http://127.0.0.1:8080}}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# call METHOD PATH [CURL OPTION ...]: one request; its answer on a line; stops at an error.
call() {
    method=$1 path=$2
    shift 2
    curl --fail-with-body --silent --show-error --request "$method" "$url$path" \
        ${CASTORCH_TOKEN:+--header "Authorization: Bearer $CASTORCH_TOKEN"} "$@"
    echo
}

# action NAME JSON: run an action.
action() {
    call POST "/v1/actions/$1" --header 'Content-Type: application/json' --data "$2"
}

echo "== a table of points: inside the circle of radius 0.6, or not"
awk 'BEGIN {
    print "x,y,label"
    for (i = 0; i < 20; i++) for (j = 0; j < 20; j++) {
        x = i / 10 - 0.95; y = j / 10 - 0.95
        print x "," y "," (x * x + y * y < 0.36 ? "inside" : "outside")
    }
}' > "$folder/points.csv"
call PUT '/v1/tables/points?replace=true' \
    --header 'Content-Type: text/csv' --data-binary "@$folder/points.csv"

echo "== a network, layer by layer"
action deepLearn.buildModel '{"modelTable": {"name": "circle", "replace": true}, "type": "DNN"}'
action deepLearn.addLayer '{"modelTable": "circle", "name": "data",
    "layer": {"type": "input", "std": "STD"}}'
action deepLearn.addLayer '{"modelTable": "circle", "name": "fc1", "srcLayers": ["data"],
    "layer": {"type": "fc", "n": 16, "act": "TANH"}}'
action deepLearn.addLayer '{"modelTable": "circle", "name": "out", "srcLayers": ["fc1"],
    "layer": {"type": "output", "act": "SOFTMAX"}}'

echo "== its training"
action deepLearn.dlTrain '{
    "table": "points", "modelTable": "circle",
    "modelWeights": {"name": "circle_weights", "replace": true},
    "inputs": ["x", "y"], "target": "label", "nominals": ["label"], "seed": 1,
    "optimizer": {"miniBatchSize": 20, "maxEpochs": 40,
        "algorithm": {"method": "ADAM", "learningRate": 0.02}}}'

echo "== its scores"
action deepLearn.dlScore '{
    "table": "points", "modelTable": "circle", "initWeights": "circle_weights",
    "casOut": {"name": "points_scored", "replace": true}, "copyVars": ["x", "y", "label"]}'

echo "== the first rows, as CSV"
call GET '/v1/tables/points_scored/rows?from=0&to=5' --header 'Accept: text/csv'
