"""The linkage centre: verifies what gateways send and answers with signed receipts.

Built from the published contract and public libraries alone; it shares no code with the gateway, so that
one bug cannot hide in both ends.
"""
