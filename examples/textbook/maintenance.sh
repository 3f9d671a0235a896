#!/bin/sh
# The textbook's maintenance script: close order and payment, open them again, and give both of them a new image.
#
#   KUBECONFIG=~/.minik/kubeconfig sh examples/textbook/maintenance.sh
set -e

# closed: nobody is served
kubectl scale deployment order-deployment --replicas=0
kubectl scale deployment payment-deployment --replicas=0

# open again
kubectl scale deployment order-deployment --replicas=3
kubectl scale deployment payment-deployment --replicas=3

# the new version, pod by pod
kubectl set image deployment/order-deployment order=your-new-order-image:latest
kubectl set image deployment/payment-deployment payment=your-new-payment-image:latest
kubectl rollout status deployment/order-deployment --timeout=5m
kubectl rollout status deployment/payment-deployment --timeout=5m
